"""A row of a file of measured runs as a setting that `hwmodel.predict` answers: cells, names, machines, shapes."""
