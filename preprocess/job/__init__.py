"""The Apache Beam stages. Only this package of `preprocess` imports Beam.

May import: every other package of `preprocess`.
"""
