"""
    Solver{T}(n, estimator = nothing)

Solves H q = b approximately, for operators of n rows; see [`solve`](@ref).
"""
mutable struct Solver{T} <: Handle{T}
    pointer::Ptr{ABI.blo_solver{T}}
    n::Int
    function Solver{T}(n, estimator = nothing) where {T}
        precise(T)
        options = how(estimator)
        pointer = created(place -> ABI.blo_solver_create(T, n, options, place), ABI.blo_solver{T})
        return finalizer(close, new{T}(pointer, n))
    end
end

destroy(::Solver{T}, place) where {T} = ABI.blo_solver_destroy(T, place)

mutable struct Operator{F}
    apply::F
end

function operator_callback(n::Int64, v::Ptr{T}, out::Ptr{T}, operator::Operator) where {T}
    return guarded() do
        operator.apply(array(out, n), array(v, n))
        Int32(0)
    end
end

pointer_to(::Type{T}, ::Operator{F}) where {T,F} = ABI.@blo_operator_fn(T, Ref{Operator{F}}, operator_callback)

"""
    solve(product, solver, b; report)
    solve!(product, q, solver, b; report)

q = r(H) b, with H by its products: `product(out, v)` does out = H v. The solver keeps q; with `start_from_last = 1` the next solve
starts there. What `product` throws comes out.

```julia
q = Blo.solve((out, v) -> mul!(out, H, v), solver, b)
```
"""
function solve!(product, q, solver::Solver{T}, b; report = nothing) where {T}
    operator = Operator(product)
    at_b, out, apply = input("b", b, T), output("q", q, T, solver.n), pointer_to(T, operator)
    GC.@preserve operator begin
        data = pointer_from_objref(operator)
        call(() -> ABI.blo_solver_solve(T, solver, apply, data, at_b, length(at_b), out, optional(report)))
    end
    return q
end

solve(product, solver::Solver{T}, b; report = nothing) where {T} =
    solve!(product, Vector{T}(undef, solver.n), solver, b; report = report)

"""
    Session{T}(n, estimator = nothing)

A solve that asks for its products instead of calling for them, with the same bits: [`start!`](@ref), then [`step!`](@ref) until it
returns `:done`. `session.vector` is v, whose product is wanted, and at the end q.

```julia
Blo.start!(session, b)
request = Blo.step!(session)
while request == :product
    global request = Blo.step!(session, H * session.vector)
end
```
"""
mutable struct Session{T} <: Handle{T}
    pointer::Ptr{ABI.blo_session{T}}
    vector::Vector{T}
    function Session{T}(n, estimator = nothing) where {T}
        precise(T)
        options = how(estimator)
        pointer = created(place -> ABI.blo_session_create(T, n, options, place), ABI.blo_session{T})
        return finalizer(close, new{T}(pointer, zeros(T, n)))
    end
end

destroy(::Session{T}, place) where {T} = ABI.blo_session_destroy(T, place)

"    start!(session, b)\n\nBegins a solve; one that is under way is given up."
function start!(session::Session{T}, b) where {T}
    at_b = input("b", b, T)
    call(() -> ABI.blo_session_start(T, session, at_b, length(at_b)))
    return session
end

"""
    step!(session, answer = nothing; report)

Gives the product last asked for, none at first, and returns `:product` or `:done`.
"""
function step!(session::Session{T}, answer = nothing; report = nothing) where {T}
    request, n = Ref{Int32}(0), length(session.vector)
    given = answer === nothing ? C_NULL : input("answer", answer, T, n)
    call(() -> ABI.blo_session_step(T, session, given, n, request, session.vector, optional(report)))
    return request[] == ABI.BLO_REQUEST_DONE ? :done : :product
end

"""
    Optimizer{T}(rule, n)

A first-order rule with its buffers, for points of n elements; see [`rule`](@ref).
"""
mutable struct Optimizer{T} <: Handle{T}
    pointer::Ptr{ABI.blo_optimizer{T}}
    n::Int
    function Optimizer{T}(rule::Rule, n) where {T}
        precise(T)
        pointer = created(place -> ABI.blo_optimizer_create(T, Ref(rule), n, place), ABI.blo_optimizer{T})
        return finalizer(close, new{T}(pointer, n))
    end
end

destroy(::Optimizer{T}, place) where {T} = ABI.blo_optimizer_destroy(T, place)

"    step!(optimizer, x, gradient)\n\nOne step: x moves along the gradient at x."
function step!(optimizer::Optimizer{T}, x, gradient) where {T}
    at, out = input("gradient", gradient, T, optimizer.n), output("x", x, T, optimizer.n)
    call(() -> ABI.blo_optimizer_step(T, optimizer, at, out, optimizer.n))
    return x
end

"    restart!(optimizer)\n\nMakes the buffers zero, as after creation."
function restart!(optimizer::Optimizer{T}) where {T}
    call(() -> ABI.blo_optimizer_restart(T, optimizer))
    return optimizer
end

Base.show(io::IO, handle::Union{Solver,Optimizer}) = print(io, typeof(handle), "(n = ", handle.n, isopen(handle) ? ")" : ", closed)")
Base.show(io::IO, handle::Session) = print(io, typeof(handle), "(n = ", length(handle.vector), isopen(handle) ? ")" : ", closed)")
