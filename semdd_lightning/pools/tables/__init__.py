"""Tables of images: their columns, their splits, and how Parquet files are read piece by piece."""
