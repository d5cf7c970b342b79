"""Parts of `pipelines.vertex`.

In import order; each imports only modules above it:

    image_requirements, options
                               what the container images of trainings install; the options of a training
    service, models            Google's clients: jobs and their logs, the Model Registry
    job, study                 the jobs of a training and of a search
    submission                 checks a training, starts the job
    submit, tune, register, predict, watch
                               the commands
"""
