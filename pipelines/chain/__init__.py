"""Parts of `pipelines.preprocess_and_train`: a run of several commands as stages."""
