"""Files that describe a data set for other tools: TensorFlow Datasets, Hugging Face `datasets`, Croissant, and people.

One module writes the files of one tool, as a function from the images and the recipe to {file below the output root:
content}. The JSON is written by the `json` module, so workers need none of these tools. May import: `contract`,
`runtime`, `cases`, and the modules of `dataset` that it describes.
"""
