-- The hypergradient of a problem of the caller's functions, in LuaJIT: luajit callbacks.lua HEADER LIBRARY. Its parser reads the whole
-- header, so that nothing in it is C's compiler's alone.
--   f = |w - u|^2 / 2 + |w|^2 / 2, so H = 2, M = -1, w = u / 2;  F = |w - 1|^2 / 2;  dF/du = (u / 2 - 1) / 2
local ffi = require("ffi")
local file = assert(io.open(arg[1]))
-- There is no preprocessor: constants are kept aside, and what is for C++ goes.
local constants = {}
local header = file:read("*a"):gsub("#ifdef __cplusplus.-#endif[^\n]*", ""):gsub("#[^\n]*", function(line)
    local name, value = line:match("^#define (BLO_[%w_]+)%s+(%-?%d+)")
    if name then constants[name] = tonumber(value) end
    return ""
end)
file:close()
ffi.cdef(header)
local blo = ffi.load(arg[2])
assert(blo.blo_abi_version() == constants.BLO_ABI_VERSION, "another binary interface")

-- Every function that the header declares is there.
local count = 0
for name in header:gmatch("\n[%w_ ]+ %*?(blo_[%w_]+)%(") do
    assert(pcall(function() return blo[name] end), name .. " is missing")
    count = count + 1
end
assert(count > 100, "the functions were not found")

local answer = 0
local own = ffi.new("blo_callbacks_f64", ffi.sizeof("blo_callbacks_f64"))
own.inner = function(m, n, u, w, value, gradient)
    value[0] = 0
    for i = 0, tonumber(n) - 1 do
        gradient[i] = 2 * w[i] - u[i]
        value[0] = value[0] + (w[i] - u[i]) ^ 2 / 2 + w[i] ^ 2 / 2
    end
    return 0
end
own.outer = function(m, n, u, w, value, gradient_u, gradient_w)
    value[0] = 0
    for i = 0, tonumber(n) - 1 do
        gradient_u[i], gradient_w[i] = 0, w[i] - 1
        value[0] = value[0] + (w[i] - 1) ^ 2 / 2
    end
    return answer
end
own.hvp = function(m, n, u, w, v, out)
    for i = 0, tonumber(n) - 1 do out[i] = 2 * v[i] end
    return 0
end
own.mixed_vjp = function(m, n, u, w, v, out)
    for i = 0, tonumber(n) - 1 do out[i] = -v[i] end
    return 0
end

local function check(status)
    if status ~= constants.BLO_OK then
        local text = ffi.new("char[256]")
        blo.blo_last_error(text, 256, nil)
        error(ffi.string(text))
    end
end

local n = 3
local problem, workspace = ffi.new("blo_problem_f64 *[1]"), ffi.new("blo_workspace_f64 *[1]")
check(blo.blo_problem_create_callbacks_f64(n, n, own, nil, problem))
check(blo.blo_workspace_create_f64(problem[0], workspace))
blo.blo_problem_destroy_f64(problem)
assert(problem[0] == nil, "the handle is not NULL")
local u, w, g = ffi.new("double[3]", 0.4, -1, 3), ffi.new("double[3]", 0.2, -0.5, 1.5), ffi.new("double[3]")
-- A call that comes back into Lua must not be compiled into a trace.
local function call() return blo.blo_hypergradient_f64(workspace[0], nil, u, n, w, n, g, nil, nil) end
jit.off(call)
check(call())
for i = 0, n - 1 do assert(math.abs(g[i] - (u[i] / 2 - 1) / 2) <= 1e-15, "another hypergradient") end

-- A status of ours ends the call, and the message has it.
answer = 42
assert(call() == constants.BLO_ERR_CALLBACK, "another status")
local found, message = pcall(check, constants.BLO_ERR_CALLBACK)
assert(not found and message:find("42"), "the message has not the number")
blo.blo_workspace_destroy_f64(workspace)
print("LuaJIT: the header is read (" .. count .. " functions), the hypergradient is right")
