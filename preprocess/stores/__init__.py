"""Where files can lie. Each module offers the same functions; `preprocess.storage` chooses one by the path."""
