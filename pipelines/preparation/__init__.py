"""Parts of `pipelines.preprocess`: options, input files, dry run and the closing table."""
