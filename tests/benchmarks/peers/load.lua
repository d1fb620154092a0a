-- What wrk sends; tests/benchmarks/load.py sets the environment.
--   LOAD_HEADERS  one "name: value" a line
--   LOAD_BODY     the body; each __N__ in it becomes a number of nine digits that was never used
--   LOAD_START    where the numbers begin

for name, value in os.getenv("LOAD_HEADERS"):gmatch("([^:\n]+): ([^\n]*)") do
  wrk.headers[name] = value
end
wrk.method = "POST"
wrk.body = os.getenv("LOAD_BODY")

if wrk.body:find("__N__", 1, true) then
  local body = wrk.body
  local count = tonumber(os.getenv("LOAD_START"))
  function request()
    count = count + 1
    local number = string.format("%d", 100000000 + (count * 7368787) % 900000000)
    return wrk.format(nil, nil, nil, (body:gsub("__N__", number)))
  end
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests":%d,"seconds":%f,"size":%f,"p50":%f,"p99":%f,"faults":%d}\n',
    summary.requests, summary.duration / 1e6, summary.bytes / math.max(summary.requests, 1),
    latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout
  ))
end
