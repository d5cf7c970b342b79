"""Parts of `pipelines.tune`: a search for good hyperparameters by trainings on patient-wise folds.

In import order; each imports only modules above it:

    space, drawing    the hyperparameters; the trials, from a grid or drawn at random
    search            a whole search: its trials, the command lines of its trainings, its identity
    slots             the GPUs and cores for each training
    training_process  one training as a child process
    result            the result of a training
    trainings         runs trainings, several at once
    rounds            fold by fold; trials below the median are dropped
    table             the scores of the trials, `trials.csv`
    plots, page       `tuning.html`
"""
