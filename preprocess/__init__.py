"""From mammograms to a data set: the logic, without command lines.

Packages, in import order (each imports only packages above it):

    contract   file formats shared with the trainers
    runtime    errors, progress output, exit status
    files      local files and Google Cloud Storage
    cases      case descriptions + file listing -> plan
    images     film bytes -> small image
    dataset    write, publish, read and verify a data set
    job        Apache Beam stages

Nothing here imports TensorFlow, `trainer` or `pipelines`.
"""
