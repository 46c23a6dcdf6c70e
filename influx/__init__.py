"""The only home of InfluxDB: points into it as line protocol, questions to it as Flux. Shell."""
