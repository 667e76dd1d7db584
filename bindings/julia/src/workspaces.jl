"""
    Workspace(problem)

The scratch of evaluations of one problem; one call at a time may use it. u and w are arrays of `n_outer` and `n_inner` elements.
"""
mutable struct Workspace{T} <: Handle{T}
    pointer::Ptr{ABI.blo_workspace{T}}
    problem::Problem{T}
    function Workspace(problem::Problem{T}) where {T}
        pointer = created(place -> ABI.blo_workspace_create(T, problem, place), ABI.blo_workspace{T})
        return finalizer(close, new{T}(pointer, problem))
    end
end

destroy(::Workspace{T}, place) where {T} = ABI.blo_workspace_destroy(T, place)

Base.show(io::IO, at::Workspace) = print(io, "Blo.Workspace(", at.problem, isopen(at) ? ")" : ", closed)")

how(estimator::EstimatorOptions) = Ref(estimator)
how(::Nothing) = C_NULL

"""
    hypergradient(workspace, u, w, estimator = nothing; q, report)
    hypergradient!(g, workspace, u, w, estimator = nothing; q, report)

g = ∂F/∂u − Mᵀq, with q an approximation of H⁻¹ ∂F/∂w at (u, w); w is best a solution of the inner problem at u. See
[`estimator`](@ref) for how; `q` (n_inner) and `report`, where given, get those of the solve. A solve that did not do all that was
asked for still succeeds: see `ending(report[])`.
"""
function hypergradient!(g, workspace::Workspace{T}, u, w, estimator = nothing; q = nothing, report = nothing) where {T}
    m, n = workspace.problem.n_outer, workspace.problem.n_inner
    at_u, at_w, options = input("u", u, T), input("w", w, T), how(estimator)
    out, out_q = output("g", g, T, m), output("q", q, T, n)
    call() do
        ABI.blo_hypergradient(T, workspace, options, at_u, length(at_u), at_w, length(at_w), out, out_q, optional(report))
    end
    return g
end

hypergradient(workspace::Workspace{T}, u, w, estimator = nothing; q = nothing, report = nothing) where {T} =
    hypergradient!(Vector{T}(undef, workspace.problem.n_outer), workspace, u, w, estimator; q = q, report = report)

"""
    inner(workspace, u, w; gradient)

f(u, w); `gradient`, where given, gets ∂f/∂w.
"""
function inner(workspace::Workspace{T}, u, w; gradient = nothing) where {T}
    at_u, at_w, value = input("u", u, T), input("w", w, T), Ref(NaN)
    out = output("gradient", gradient, T, workspace.problem.n_inner)
    call(() -> ABI.blo_inner(T, workspace, at_u, length(at_u), at_w, length(at_w), value, out))
    return value[]
end

"""
    outer(workspace, u, w; gradient_u, gradient_w)

F(u, w); `gradient_u` and `gradient_w`, where given, get ∂F/∂u and ∂F/∂w.
"""
function outer(workspace::Workspace{T}, u, w; gradient_u = nothing, gradient_w = nothing) where {T}
    at_u, at_w, value = input("u", u, T), input("w", w, T), Ref(NaN)
    out_u = output("gradient_u", gradient_u, T, workspace.problem.n_outer)
    out_w = output("gradient_w", gradient_w, T, workspace.problem.n_inner)
    call(() -> ABI.blo_outer(T, workspace, at_u, length(at_u), at_w, length(at_w), value, out_u, out_w))
    return value[]
end

"""
    fixpoint!(w, workspace, u)

Moves w to the nearest minimiser of f(u, ·), in closed form: quadratics and squared losses only.
"""
function fixpoint!(w, workspace::Workspace{T}, u) where {T}
    at_u, at_w = input("u", u, T), output("w", w, T, workspace.problem.n_inner)
    call(() -> ABI.blo_fixpoint(T, workspace, at_u, length(at_u), at_w, length(at_w)))
    return w
end

"""
    linearize(workspace, u, w)

Freezes H and M at (u, w) for [`hvp`](@ref), [`mixed_vjp`](@ref) and [`mixed_jvp`](@ref), until the workspace evaluates anything else.
"""
function linearize(workspace::Workspace{T}, u, w) where {T}
    at_u, at_w = input("u", u, T), input("w", w, T)
    call(() -> ABI.blo_linearize(T, workspace, at_u, length(at_u), at_w, length(at_w)))
    return workspace
end

"    hvp(workspace, v)\n\nH v at the last [`linearize`](@ref)."
function hvp(workspace::Workspace{T}, v) where {T}
    at_v, out = input("v", v, T), Vector{T}(undef, workspace.problem.n_inner)
    call(() -> ABI.blo_hvp(T, workspace, at_v, length(at_v), out))
    return out
end

"    mixed_vjp(workspace, v)\n\nMᵀ v at the last [`linearize`](@ref)."
function mixed_vjp(workspace::Workspace{T}, v) where {T}
    at_v, out = input("v", v, T), Vector{T}(undef, workspace.problem.n_outer)
    call(() -> ABI.blo_mixed_vjp(T, workspace, at_v, length(at_v), out))
    return out
end

"    mixed_jvp(workspace, du)\n\nM du at the last [`linearize`](@ref)."
function mixed_jvp(workspace::Workspace{T}, du) where {T}
    at_du, out = input("du", du, T), Vector{T}(undef, workspace.problem.n_inner)
    call(() -> ABI.blo_mixed_jvp(T, workspace, at_du, length(at_du), out))
    return out
end

"""
    response_jvp(workspace, u, w, du, estimator = nothing; report)

J du, J = −r(H) M = dw/du: how the inner solution at (u, w) moves with u. Not with `:unrolled`.
"""
function response_jvp(workspace::Workspace{T}, u, w, du, estimator = nothing; report = nothing) where {T}
    at_u, at_w, options = input("u", u, T), input("w", w, T), how(estimator)
    at_du, out = input("du", du, T, workspace.problem.n_outer), Vector{T}(undef, workspace.problem.n_inner)
    call() do
        ABI.blo_response_jvp(T, workspace, options, at_u, length(at_u), at_w, length(at_w), at_du, out, optional(report))
    end
    return out
end

"""
    response_vjp(workspace, u, w, v, estimator = nothing; report)

Jᵀ v = −Mᵀ r(H) v: the gradient by u of vᵀw*(u) at (u, w). Not with `:unrolled`.
"""
function response_vjp(workspace::Workspace{T}, u, w, v, estimator = nothing; report = nothing) where {T}
    at_u, at_w, options = input("u", u, T), input("w", w, T), how(estimator)
    at_v, out = input("v", v, T, workspace.problem.n_inner), Vector{T}(undef, workspace.problem.n_outer)
    call() do
        ABI.blo_response_vjp(T, workspace, options, at_u, length(at_u), at_w, length(at_w), at_v, out, optional(report))
    end
    return out
end

"""
    best_response(workspace, u, w, estimator = nothing; solve! = nothing)

The argmin map u ↦ w*(u) = argmin f(u, ·): the solution that is found from w, as a new vector. `solve!(w, u)` moves w there; without
it the nearest one is taken, in closed form. With ChainRulesCore it has an `rrule`: its pullback is [`response_vjp`](@ref) by the
estimator. w counts as a constant, though where H is singular it decides which solution is found.
"""
function best_response(workspace::Workspace{T}, u, w, estimator = nothing; solve! = nothing) where {T}
    found = Vector{T}(undef, workspace.problem.n_inner)
    copyto!(found, input("w", w, T, length(found)))
    solve! === nothing ? fixpoint!(found, workspace, u) : solve!(found, u)
    return found
end

"""
    influence(workspace, u, w, estimator = nothing; report)

The influence of each inner example on F, from one solve: the derivative of F(w*) by ε in f + ε fᵢ. An example above 0 raises the
outer loss; to remove it changes F by about minus that. Not with `:unrolled`.
"""
function influence(workspace::Workspace{T}, u, w, estimator = nothing; report = nothing) where {T}
    at_u, at_w, options = input("u", u, T), input("w", w, T), how(estimator)
    scores = Vector{Float64}(undef, workspace.problem.n_examples)
    call() do
        ABI.blo_influence(T, workspace, options, at_u, length(at_u), at_w, length(at_w), scores, length(scores), optional(report))
    end
    return scores
end

"""
    reserve(workspace, estimator = nothing)
    reserve(runner)

Allocates now all that hypergradients, or the run, need; returns the bytes then held, without the problem's data.
"""
function reserve(workspace::Workspace{T}, estimator = nothing) where {T}
    bytes, options = Ref(0), how(estimator)
    call(() -> ABI.blo_workspace_reserve(T, workspace, options, bytes))
    return bytes[]
end
