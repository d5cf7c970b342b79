"""Reading, writing, listing and locking files on a local disk and in Google Cloud Storage (gs://).

`storage` is the interface; it calls `local` or `gcs` depending on the path.
May import: `contract`, `runtime`.
"""
