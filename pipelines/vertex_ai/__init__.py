"""What `pipelines.vertex` consists of: its options, the job that is sent, the service that is asked, the package."""
