struct Oops <: Exception
    where::Symbol
end

# A problem whose function of this name throws.
function throwing(name; T = Float64, what = () -> throw(Oops(name)))
    act(this) = this == name && what()
    return Blo.callbacks(T, 1, 2;
        inner = (g, u, w) -> (act(:inner); g .= w .- u; sum(abs2, w .- u) / 2),
        outer = (gu, gw, u, w) -> (act(:outer); gw .= w; sum(abs2, w) / 2),
        hvp = (out, u, w, v) -> (act(:hvp); out .= v),
        mixed_vjp = (out, u, w, v) -> (act(:mixed_vjp); out[1] = -sum(v)),
        mixed_jvp = (out, u, w, du) -> (act(:mixed_jvp); out .= -du[1]))
end

how = Blo.estimator(:cg; iterations = 3)
u, w = [0.5], [1.0, 2.0]

@testset "$T" for T in (Float64, Float32)
    workspace = Blo.Workspace(throwing(:nothing; T = T))
    @test Blo.hypergradient(workspace, T.(u), T.(w), how) == [3]
    @test Blo.response_jvp(workspace, T.(u), T.(w), T[2], how) == [2, 2]
end

# Every argument in its place: second derivatives that depend on u and w, of unequal lengths.
@testset "arguments, $T" for T in (Float64, Float32)
    nonlinear = Blo.callbacks(T, 2, 3;
        inner = (g, u, w) -> (g .= u[1] .* w .^ 3 ./ 3 .+ u[2] .+ w; sum(u[1] .* w .^ 4 ./ 12 .+ u[2] .* w .+ w .^ 2 ./ 2)),
        outer = (gu, gw, u, w) -> (gu .= [sum(abs2, w) / 2, 0]; gw .= u[1] .* w; u[1] * sum(abs2, w) / 2),
        hvp = (out, u, w, v) -> out .= (u[1] .* w .^ 2 .+ 1) .* v,
        mixed_vjp = (out, u, w, v) -> (out .= [dot(w .^ 3, v) / 3, sum(v)]),
        mixed_jvp = (out, u, w, du) -> (out .= w .^ 3 ./ 3 .* du[1] .+ du[2]))
    @test Blo.check_derivatives(nonlinear, T[0.7, -0.4], T[0.3, -1.1, 0.8]).verdict == :right
end

# An exception comes out as it is, from each function, and the workspace goes on.
for (name, run) in (
    (:inner, at -> Blo.inner(at, u, w)),
    (:outer, at -> Blo.hypergradient(at, u, w, how)),
    (:hvp, at -> Blo.hypergradient(at, u, w, how)),
    (:mixed_vjp, at -> Blo.hypergradient(at, u, w, how)),
    (:mixed_jvp, at -> Blo.response_jvp(at, u, w, [1.0], how)),
)
    armed = Ref(true)
    workspace = Blo.Workspace(throwing(name; what = () -> armed[] && throw(Oops(name))))
    @test thrown(() -> run(workspace)) === Oops(name)
    armed[] = false
    @test thrown(() -> run(workspace)) === nothing
    @test Blo.kept[] == 0
end

# With where it was thrown, below it in the stack.
here() = throw(Oops(:here))
stack = try
    Blo.inner(Blo.Workspace(throwing(:inner; what = here)), u, w)
catch
    isdefined(Base, :current_exceptions) ? [entry.exception for entry in Base.current_exceptions()] : [e[1] for e in Base.catch_stack()]
end
@test stack[end] === Oops(:here) && stack[end-1] isa Blo.CallbackTrace
@test occursin("here()", sprint(showerror, stack[end-1]))

# An interrupt is an exception like the others.
@test thrown(() -> Blo.inner(Blo.Workspace(throwing(:inner; what = () -> throw(InterruptException()))), u, w)) isa InterruptException

# A callback that returns no number; and outputs that are not numbers are the library's error.
bad = Blo.callbacks(Float64, 1, 1; inner = (g, u, w) -> nothing, outer = (gu, gw, u, w) -> NaN, hvp = (o, u, w, v) -> (o[1] = Inf), mixed_vjp = (o, u, w, v) -> 0)
@test thrown(() -> Blo.inner(Blo.Workspace(bad), u, [1.0])) isa MethodError
failure = thrown(() -> Blo.outer(Blo.Workspace(bad), u, [1.0]))
@test failure isa Blo.Error && failure.status == Blo.ABI.BLO_ERR_NON_FINITE

# An exception in a check of derivatives, which succeeds all the same, is not lost.
@test thrown(() -> Blo.check_derivatives(throwing(:hvp), u, w)) === Oops(:hvp)

# Calls from callbacks: another handle is fine, and its error is one of the callback; the same handle is busy.
other = Blo.Workspace(throwing(:nothing))
nested = Ref{Any}(nothing)
workspace = Blo.Workspace(throwing(:inner; what = () -> nested[]()))
nested[] = () -> Blo.inner(other, u, w)
@test Blo.inner(workspace, u, w) == (0.25 + 2.25) / 2
nested[] = () -> Blo.inner(other, w, w)
@test thrown(() -> Blo.inner(workspace, u, w)).status == Blo.ABI.BLO_ERR_SHAPE
nested[] = () -> Blo.inner(workspace, u, w)
@test thrown(() -> Blo.inner(workspace, u, w)).status == Blo.ABI.BLO_ERR_BUSY
nested[] = () -> (try Blo.inner(Blo.Workspace(throwing(:inner)), u, w) catch end)
@test Blo.inner(workspace, u, w) == (0.25 + 2.25) / 2
# A garbage collection, and a switch to another task that fails in its own call.
nested[] = () -> GC.gc()
@test Blo.inner(workspace, u, w) == (0.25 + 2.25) / 2
failed = Ref{Any}(nothing)
nested[] = () -> (wait(@async failed[] = thrown(() -> Blo.inner(other, w, w))); throw(Oops(:own)))
@test thrown(() -> Blo.inner(workspace, u, w)) === Oops(:own)
@test failed[].status == Blo.ABI.BLO_ERR_SHAPE

# One problem used by many tasks, some of which throw: to each its own.
shared = Blo.callbacks(Float64, 1, 2;
    inner = (g, u, w) -> (u[1] == 7 && throw(Oops(:seven)); g .= w .- u; sum(abs2, w .- u) / 2),
    outer = (gu, gw, u, w) -> 0.0, hvp = (out, u, w, v) -> out .= v, mixed_vjp = (out, u, w, v) -> nothing)
answers = Vector{Any}(undef, 64)
Threads.@threads for i in 1:64
    at = Blo.Workspace(shared)
    for _ in 1:20
        answers[i] = i % 3 == 0 ? thrown(() -> Blo.inner(at, [7.0], w)) : Blo.inner(at, [Float64(i + 100)], w)
    end
end
@test all(i -> answers[i] == (i % 3 == 0 ? Oops(:seven) : sum(abs2, w .- (i + 100)) / 2), 1:64)

# Operators and monitors.
@testset "operator, $T" for T in (Float64, Float32)
    solver = Blo.Solver{T}(3, Blo.estimator(:cg; iterations = 9))
    @test thrown(() -> Blo.solve((out, v) -> throw(Oops(:product)), solver, ones(T, 3))) === Oops(:product)
    calls = Ref(0)
    q = Blo.solve((out, v) -> (calls[] += 1; out .= 2 .* v), solver, T[1, 2, 3])
    @test q ≈ [0.5, 1, 1.5] && calls[] >= 1
    @test thrown(() -> Blo.solve((out, v) -> copyto!(out, v), solver, ones(T, 2))).status == Blo.ABI.BLO_ERR_SHAPE
end
@test Blo.kept[] == 0

# Interrupts wait while the library runs, and end a callback or the call.
if Sys.isunix() && !Sys.isapple()
    # During a loop of calls, and during a run, which does not get to its end.
    script = """
    import Blo
    ccall(:jl_exit_on_sigint, Cvoid, (Cint,), 0)
    calls = Ref(0)
    p = Blo.callbacks(Float64, 1, 1; inner = (g, u, w) -> (calls[] += 1; calls[] == 1000 && ccall(:kill, Cint, (Cint, Cint), getpid(), 2); g .= w .- u; 0.0),
        outer = (gu, gw, u, w) -> (gw .= 1; w[1]), hvp = (o, u, w, v) -> o .= v, mixed_vjp = (o, u, w, v) -> o .= .-v)
    w = Blo.Workspace(p)
    r = Blo.Runner(p, [0.5], [1.0], Blo.run_options(inner = :optimizer, inner_steps = 1, outer_steps = 10^6), Blo.estimator(:cg; iterations = 2))
    for loop in (() -> while calls[] < 10^6; Blo.inner(w, [0.5], [1.0]); end, () -> Blo.run!(r))
        calls[] = 0
        try
            loop()
            print("not interrupted ")
        catch failure
            # The library is sound afterwards.
            print(typeof(failure), " ", Blo.inner(w, [0.5], [1.0]), " ")
        end
    end
    print(Blo.state(r).steps < 10^6)
    """
    text = read(`$(Base.julia_cmd()) --startup-file=no --project=$(Base.active_project()) -e $script`, String)
    @test text == "InterruptException 0.0 InterruptException 0.0 true"
end
