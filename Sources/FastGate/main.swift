print("fastgate")
