how = Blo.estimator(:cg; iterations = 3)
make(T = Float64) = plain(T[2 0; 0 4], T[-1 0; 0 -1], T[1 0; 0 1], T[0, 0], T[-1, -1])

# In any order; what was made from a problem goes on with it, and keeps its functions alive.
function orphan()
    problem = make()
    workspace, runner = Blo.Workspace(problem), Blo.Runner(problem, [1.0, 1.0], [0.0, 0.0], Blo.run_options(inner = :optimizer, inner_steps = 2), how)
    close(problem)
    return workspace, runner
end
workspace, runner = orphan()
GC.gc()
@test !isopen(workspace.problem) && isopen(workspace)
@test Blo.hypergradient(workspace, [1.0, 1.0], [0.5, 0.25], how) ≈ [-0.25, -0.1875]
@test Blo.step!(runner)
@test thrown(() -> Blo.Workspace(workspace.problem)).status == Blo.ABI.BLO_ERR_NULL
close(workspace)
close(workspace)
@test thrown(() -> Blo.hypergradient(workspace, [1.0, 1.0], [0.5, 0.25], how)).status == Blo.ABI.BLO_ERR_NULL
@test endswith(sprint(show, workspace), ", closed), closed)") && endswith(sprint(show, runner), ", closed))")
close(runner)

# A handle that is closed by a callback of its own call: the library puts it off or refuses, and nothing breaks.
closing = Ref{Any}(nothing)
problem = Blo.callbacks(Float64, 1, 1; inner = (g, u, w) -> (close(closing[]); g[1] = w[1]; 0.0), outer = (gu, gw, u, w) -> 0.0,
    hvp = (out, u, w, v) -> out[1] = v[1], mixed_vjp = (out, u, w, v) -> 0)
closing[] = Blo.Workspace(problem)
@test thrown(() -> Blo.inner(closing[], [1.0], [1.0])) in (nothing, 0.0)
@test !isopen(closing[])

# What is in use: memory that was freed is given back first, since the collector lets much pile up in between.
function resident()
    GC.gc()
    GC.gc()
    ccall(:malloc_trim, Cint, (Csize_t,), 0)
    return parse(Int, split(read("/proc/self/statm", String))[2]) * 4096
end

# One of everything, used. Large enough that a leak of any one shows.
const N = 64
const x = collect(1.0:N)
const momentum = Blo.rule(:momentum)

function cycle(i)
    problem = Blo.callbacks(Float64, N, N; inner = (g, u, w) -> (g .= w .- u; 0.0), outer = (gu, gw, u, w) -> (gw .= w; 0.0),
        hvp = (out, u, w, v) -> out .= v, mixed_vjp = (out, u, w, v) -> out .= .-v)
    workspace, solver = Blo.Workspace(problem), Blo.Solver{Float64}(N, how)
    session, optimizer = Blo.Session{Float64}(N, how), Blo.Optimizer{Float64}(momentum, N)
    runner = Blo.Runner(problem, x, x, nothing, how)
    g = Blo.hypergradient(workspace, x, x, how)
    q = Blo.solve((out, v) -> out .= 2 .* v, solver, g)
    Blo.step!(optimizer, q, g)
    # Each has a thread, which is given up.
    i % 20 < 2 && Blo.step!(Blo.start!(session, x))
    return (problem, workspace, solver, session, optimizer, runner)
end

# 10⁵ cycles: half of them closed in a changing order, half left to the collector, which takes them in an order of its own.
@testset "memory" begin
    function cycles(range)
        for i in range
            handles = cycle(i)
            isodd(i) && foreach(k -> close(handles[k]), circshift(1:6, i))
        end
    end
    cycles(1:20_000)
    if Sys.islinux() # with glibc
        before = resident()
        cycles(20_001:100_000)
        grown = resident() - before
        # One buffer of N elements lost in every second cycle would be 20 MB.
        @test grown < 8 << 20
        @info "memory after 10⁵ cycles" before grown
    else
        cycles(20_001:100_000)
    end
end
