"""The shared words of OpsWatch: points, schema, series queries, ports, errors. Pure."""
