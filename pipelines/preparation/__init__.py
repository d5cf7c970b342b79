"""Parts of the command `pipelines.preprocess`: options, input files, dry run and the summary at its end."""
