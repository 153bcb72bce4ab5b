"""Parts of the Usage page: what its address asks for, whose days it counts in, its charts, figures and workbook."""
