-- What wrk measured, as one line of JSON. Runs once at the end: costs nothing during the load.
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '\nSUMMARY {"requests": %d, "bytes": %d, "microseconds": %d, "p50": %d, "p99": %d, "p999": %d, ' ..
    '"broken": %d, "status": %d}\n',
    summary.requests, summary.bytes, summary.duration,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9),
    errors.connect + errors.read + errors.write + errors.timeout, errors.status))
end
