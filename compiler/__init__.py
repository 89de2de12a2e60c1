"""From syntax tree to graph, reports and modules."""
