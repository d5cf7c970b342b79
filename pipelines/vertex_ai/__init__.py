"""Parts of `pipelines.vertex`: its options, the job that is submitted, the service's client, the trainer package."""
