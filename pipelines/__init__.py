"""The commands: one module for each, and packages with their parts.

    make_sample            synthetic films and case descriptions       uses `sample`
    preprocess             films -> data set (a Beam job)              uses `preparation`, `beam`
    predict                films, model -> densities (a Beam job)      uses `prediction`, `beam`
    verify                 checks a data set
    report                 data set and models -> one HTML page        uses `report_page`
    tune                   data set -> a search for hyperparameters    uses `tuning`
    vertex                 trainings, searches, models on Vertex AI    uses `vertex_ai`
    preprocess_and_train   runs the commands one after the other       uses `chain`

May import `preprocess` and `trainer`; neither imports `pipelines`.
"""
