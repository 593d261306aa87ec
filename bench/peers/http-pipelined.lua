-- 16 requests at a time on each connection.
local all

init = function()
  local one = wrk.format("GET", "/")
  all = one:rep(16)
end

request = function()
  return all
end
