"""Pages that open in any browser and ask for nothing: of a selection, of an audit, of a comparison."""
