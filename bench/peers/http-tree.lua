-- A hundred resources in turn, asked for as browsers and proxies ask: ten header fields.
wrk.headers["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64) Bench/1.0"
wrk.headers["Accept"] = "application/json, text/plain, */*"
wrk.headers["Accept-Encoding"] = "gzip, deflate, br"
wrk.headers["Accept-Language"] = "en-US,en;q=0.9"
wrk.headers["Cache-Control"] = "no-cache"
wrk.headers["Cookie"] = "session=0123456789abcdef; theme=dark"
wrk.headers["Referer"] = "http://localhost/"
wrk.headers["X-Request-Id"] = "c0ffee00-1234"
wrk.headers["X-Forwarded-For"] = "10.0.0.1"

local all = {}
local n = 0

init = function()
  for i = 0, 99 do
    all[i] = wrk.format("GET", "/api/group" .. math.floor(i / 10) .. "/item" .. i % 10)
  end
end

request = function()
  n = (n + 1) % 100
  return all[n]
end
