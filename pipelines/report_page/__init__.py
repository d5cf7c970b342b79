"""Parts of `pipelines.report`: thumbnails, plots, the results of models, and the HTML templates."""
