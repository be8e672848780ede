-- Requests for wrk: checks as a proxy sends them, or requests for a protected site. Everything comes by environment,
-- so that it can be pointed at any deployment; README.md has examples.
--
--   LOAD_DIALECT   auth-request (nginx), forward-auth (Traefik, Caddy), ext-authz (Envoy), or site: LOAD_PATHS
--                  themselves, through a proxy
--   LOAD_HOST      the application's host                                           app.localhost
--   LOAD_SCHEME    the scheme that the browser used                                 http
--   LOAD_PATHS     paths that are asked for in turn, separated by blanks            /
--   LOAD_NAME      the cookie's name                                                secondgate (__Host-secondgate)
--   LOAD_COOKIE    the cookie's value; empty: nobody is logged in
--   LOAD_COOKIES   a file with one cookie value a line, used in turn, instead of LOAD_COOKIE
--   LOAD_ADDRESS   what the proxy says of the client's address                      203.0.113.7
--   LOAD_SECRET    the proxy secret, where there is one
--   LOAD_NAVIGATE  1: a person opens the page; otherwise a script of the page asks
--   LOAD_LIMIT     at most so many cookies are read from the file                   all
local function option(name, default)
    local value = os.getenv("LOAD_" .. name)
    if value == nil or value == "" then return default end
    return value
end

local dialect = option("DIALECT", "auth-request")
local host, scheme = option("HOST", "app.localhost"), option("SCHEME", "http")
local address, secret = option("ADDRESS", "203.0.113.7"), option("SECRET", "")

local browser = table.concat({
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language: en-GB,en;q=0.5",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Referer: " .. scheme .. "://" .. host .. "/",
    "Sec-Fetch-Site: same-origin",
    option("NAVIGATE", "") == "1" and "Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document"
        or "Sec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty",
}, "\r\n")

local function head(path)
    local lines
    local forwarded = "X-Forwarded-For: " .. address
    if dialect == "auth-request" then
        lines = { "GET /verify/auth-request HTTP/1.1", "Host: " .. host,
            "X-Original-URL: " .. scheme .. "://" .. host .. path, "X-Original-Method: GET", forwarded }
    elseif dialect == "forward-auth" then
        lines = { "GET /verify/forward-auth HTTP/1.1", "Host: " .. host, "X-Forwarded-Method: GET",
            "X-Forwarded-Proto: " .. scheme, "X-Forwarded-Host: " .. host, "X-Forwarded-Uri: " .. path, forwarded }
    elseif dialect == "ext-authz" then
        lines = { "GET /verify/ext-authz" .. path .. " HTTP/1.1", "Host: " .. host,
            "X-Forwarded-Proto: " .. scheme, forwarded }
    elseif dialect == "site" then
        lines = { "GET " .. path .. " HTTP/1.1", "Host: " .. host }
    else
        error("LOAD_DIALECT must be auth-request, forward-auth, ext-authz or site")
    end
    if secret ~= "" then lines[#lines + 1] = "X-Secondgate-Proxy-Secret: " .. secret end
    lines[#lines + 1] = browser
    return table.concat(lines, "\r\n") .. "\r\n"
end

local function cookies()
    local path, found = option("COOKIES", ""), {}
    if path == "" then return { option("COOKIE", "") } end
    local limit = tonumber(option("LIMIT", "1e9"))
    for line in io.lines(path) do
        if #found >= limit then break end
        found[#found + 1] = line
    end
    return found
end

-- Made beforehand where they are not too many: wrk's own share of the processor is then the smallest.
local PREPARED = 50000
local heads, values, prepared, number, count = {}, {}, {}, 0, 0

local function made(n)
    local value = values[n % #values + 1]
    local cookie = value == "" and "" or "; " .. option("NAME", "secondgate") .. "=" .. value
    return heads[n % #heads + 1] .. "Cookie: theme=dark" .. cookie .. "\r\n\r\n"
end

function init()
    for path in string.gmatch(option("PATHS", "/"), "%S+") do heads[#heads + 1] = head(path) end
    values = cookies()
    count = #heads * #values
    if count <= PREPARED then
        for n = 1, count do prepared[n] = made(n) end
    end
end

function request()
    number = number % count + 1
    return prepared[number] or made(number)
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        'LOAD {"requests": %d, "seconds": %.6f, "refused": %d, "broken": %d, "p50_ms": %.4f, "p99_ms": %.4f}\n',
        summary.requests, summary.duration / 1e6, errors.status,
        errors.connect + errors.read + errors.write + errors.timeout,
        latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
