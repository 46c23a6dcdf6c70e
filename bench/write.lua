-- wrk's script of bench/http_write.py: arguments are the token and the number of lines.
-- The time of a body advances by a millisecond, so that no sample is ever older than one before it.
local agents = 0

function setup(thread)
  agents = agents + 1
  thread:set("agent", agents)
end

function init(args)
  local token, hosts = args[1], tonumber(args[2])
  count = 0
  seconds = os.time()
  variants = {}
  for variant = 1, 4 do
    local lines, before = {}, ""
    for host = 1, hosts do
      local values = {
        string.format("%.2f", math.random() * 100),
        string.format("%d", host * 1000 + variant),
        string.format("%.15f", math.random()),
      }
      local value = values[host % 3 + 1]
      lines[host] = before .. string.format("bench_load,agent=%d,host=host-%03d value=%s ", agent, host, value)
      before = "\n"
    end
    lines[hosts + 1] = ""
    variants[variant] = lines
  end
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "text/plain; charset=utf-8"
  if token ~= "-" then
    wrk.headers["Authorization"] = "Token " .. token
  end
end

function request()
  count = count + 1
  local time = string.format("%d%03d000000", seconds + math.floor(count / 1000), count % 1000)
  return wrk.format(nil, nil, nil, table.concat(variants[count % 4 + 1], time))
end

function done(summary, latency, requests)
  local broken = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  local seconds = summary.duration / 1e6
  io.write(string.format("RESULT %d %d %d %f\n", summary.requests, summary.errors.status, broken, seconds))
end
