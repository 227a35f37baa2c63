"""Parts of ``benchmarks.gpu`` that are no benchmark by themselves."""
