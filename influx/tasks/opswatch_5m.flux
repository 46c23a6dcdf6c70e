import "date"

option task = {name: "opswatch_5m", every: 5m, offset: 1m}

stop = date.truncate(t: now(), unit: 5m)
start = date.sub(d: 10m, from: stop)

gauges = (r) =>
    (r._measurement == "cpu" and r._field =~ /^(usage_active|usage_user|usage_system|usage_idle|usage_nice|usage_iowait|usage_irq|usage_softirq|usage_steal|usage_guest|usage_guest_nice)$/)
    or (r._measurement == "mem" and r._field =~ /^(total|available|used|free|active|inactive|buffered|cached|shared|slab|used_percent|available_percent)$/)
    or (r._measurement == "swap" and r._field =~ /^(total|used|free|used_percent)$/)
    or (r._measurement == "disk" and r._field =~ /^(total|free|used|used_percent|inodes_total|inodes_free|inodes_used|inodes_used_percent)$/)
    or (r._measurement == "system" and r._field =~ /^(load1|load5|load15|n_cpus|n_users|uptime)$/)
    or (r._measurement == "cgroup" and r._field =~ /^(cpu_limit_cores|cpu_used_percent|memory_limit_bytes|memory_used_bytes|memory_used_percent)$/)
    or (r._measurement == "probe" and r._field =~ /^(up|latency_ms|dns_ms|connect_ms|tls_ms|first_byte_ms|transfer_ms|code|cert_days_left)$/)

counters = (r) =>
    (r._measurement == "swap" and r._field =~ /^(in|out)$/)
    or (r._measurement == "net" and r._field =~ /^(bytes_sent|bytes_recv|packets_sent|packets_recv|err_in|err_out|drop_in|drop_out)$/)
    or (r._measurement == "cgroup" and r._field =~ /^(throttled_usec)$/)
    or (r._measurement == "app" and r._field =~ /^(events|errors)$/)
    or (r._measurement == "app_errors" and r._field =~ /^(errors)$/)

states = (r) =>
    (r._measurement == "probe" and r._field =~ /^(outcome|state|streak)$/)

durations = (r) =>
    (r._measurement == "probe" and r._field =~ /^(up_s|degraded_s|down_s|unknown_s)$/)
    or (r._measurement == "app" and r._field =~ /^(latency_ms_sum|latency_ms_count)$/)

buckets = (r) =>
    (r._measurement == "probe" and r._field =~ /^(latency_ms_le_.*)$/)
    or (r._measurement == "app" and r._field =~ /^(latency_ms_le_.*)$/)

unregistered = (r) =>
    (r._measurement != "cpu" or r._field !~ /^(usage_active|usage_user|usage_system|usage_idle|usage_nice|usage_iowait|usage_irq|usage_softirq|usage_steal|usage_guest|usage_guest_nice)$/)
    and (r._measurement != "mem" or r._field !~ /^(total|available|used|free|active|inactive|buffered|cached|shared|slab|used_percent|available_percent)$/)
    and (r._measurement != "swap" or r._field !~ /^(total|used|free|used_percent|in|out)$/)
    and (r._measurement != "disk" or r._field !~ /^(total|free|used|used_percent|inodes_total|inodes_free|inodes_used|inodes_used_percent)$/)
    and (r._measurement != "net" or r._field !~ /^(bytes_sent|bytes_recv|packets_sent|packets_recv|err_in|err_out|drop_in|drop_out)$/)
    and (r._measurement != "system" or r._field !~ /^(load1|load5|load15|n_cpus|n_users|uptime)$/)
    and (r._measurement != "cgroup" or r._field !~ /^(cpu_limit_cores|cpu_used_percent|throttled_usec|memory_limit_bytes|memory_used_bytes|memory_used_percent)$/)
    and (r._measurement != "probe" or r._field !~ /^(up|outcome|latency_ms|dns_ms|connect_ms|tls_ms|first_byte_ms|transfer_ms|code|cert_days_left|message|state|streak|up_s|degraded_s|down_s|unknown_s|latency_ms_le_.*)$/)
    and (r._measurement != "app" or r._field !~ /^(events|errors|latency_ms_sum|latency_ms_count|latency_ms_le_.*)$/)
    and (r._measurement != "app_errors" or r._field !~ /^(errors)$/)

samples = (of, since) => from(bucket: "opswatch_raw")
    |> range(start: since, stop: stop)
    |> filter(fn: of)
made = (suffix, tables=<-) => tables
    |> map(fn: (r) => ({r with _field: r._field + suffix}))
    |> to(bucket: "opswatch_5m")
roll = (of, fn, suffix) => samples(of: of, since: start)
    |> aggregateWindow(every: 5m, fn: fn, createEmpty: false, timeSrc: "_start")
    |> made(suffix: suffix)
grow = (of) => samples(of: of, since: date.sub(d: 1h, from: start))
    |> duplicate(column: "_value", as: "_grown")
    |> difference(columns: ["_grown"], keepFirst: true)
    |> elapsed(unit: 1ns, columnName: "_gap")
    |> filter(fn: (r) => r._gap <= 3600000000000)
    |> map(fn: (r) => ({r with _value: if r._grown < 0 then r._value else r._grown}))
    |> drop(columns: ["_grown", "_gap"])
    |> range(start: start, stop: stop)
    |> aggregateWindow(every: 5m, fn: sum, createEmpty: false, timeSrc: "_start")
    |> made(suffix: "_inc")

roll(of: gauges, fn: min, suffix: "_min") |> yield(name: "gauges_min")
roll(of: gauges, fn: max, suffix: "_max") |> yield(name: "gauges_max")
roll(of: gauges, fn: sum, suffix: "_sum") |> yield(name: "gauges_sum")
roll(of: gauges, fn: count, suffix: "_count") |> yield(name: "gauges_count")
grow(of: counters) |> yield(name: "counters_inc")
roll(of: counters, fn: last, suffix: "_last") |> yield(name: "counters_last")
roll(of: counters, fn: count, suffix: "_count") |> yield(name: "counters_count")
roll(of: states, fn: min, suffix: "_min") |> yield(name: "states_min")
roll(of: states, fn: max, suffix: "_max") |> yield(name: "states_max")
roll(of: states, fn: last, suffix: "_last") |> yield(name: "states_last")
roll(of: states, fn: count, suffix: "_count") |> yield(name: "states_count")
roll(of: durations, fn: sum, suffix: "_sum") |> yield(name: "durations_sum")
roll(of: durations, fn: count, suffix: "_count") |> yield(name: "durations_count")
roll(of: buckets, fn: sum, suffix: "_sum") |> yield(name: "buckets_sum")
roll(of: buckets, fn: count, suffix: "_count") |> yield(name: "buckets_count")
roll(of: unregistered, fn: min, suffix: "_min") |> yield(name: "unregistered_min")
roll(of: unregistered, fn: max, suffix: "_max") |> yield(name: "unregistered_max")
roll(of: unregistered, fn: sum, suffix: "_sum") |> yield(name: "unregistered_sum")
roll(of: unregistered, fn: count, suffix: "_count") |> yield(name: "unregistered_count")
roll(of: unregistered, fn: last, suffix: "_last") |> yield(name: "unregistered_last")
grow(of: unregistered) |> yield(name: "unregistered_inc")
