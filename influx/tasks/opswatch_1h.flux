import "date"

option task = {name: "opswatch_1h", every: 1h, offset: 2m}

stop = date.truncate(t: now(), unit: 1h)
start = date.sub(d: 2h, from: stop)

roll = (fn, of) => from(bucket: "opswatch_5m")
    |> range(start: start, stop: stop)
    |> filter(fn: (r) => r._field =~ of)
    |> aggregateWindow(every: 1h, fn: fn, createEmpty: false, timeSrc: "_start")
    |> to(bucket: "opswatch_1h")

roll(fn: min, of: /_(min)$/) |> yield(name: "min")
roll(fn: max, of: /_(max)$/) |> yield(name: "max")
roll(fn: sum, of: /_(sum|count|inc)$/) |> yield(name: "sum")
roll(fn: last, of: /_(last)$/) |> yield(name: "last")
