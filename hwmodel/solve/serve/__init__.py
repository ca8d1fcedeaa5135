"""A serving fleet chosen for a demand and its limits, with the reasons; `hwmodel.predict.service` predicts."""
