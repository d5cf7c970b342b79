"""Parts of `pipelines.make_sample`: synthetic films and case descriptions in the formats of the real ones."""
