"""Parts of `pipelines.vertex`.

In import order; each imports only modules above it:

    trainer_package, options   the trainers as a package for a GPU; the options of a training
    service, models            Google's clients: jobs and their logs, the Model Registry
    job, study                 the jobs of a training and of a search
    submission                 checks a training, uploads the package, starts the job
    submit, tune, register, predict, watch
                               the commands
"""
