"""
    check_derivatives(problem, u, w; tolerance = -1, seed = 0)

Compares a problem's functions at (u, w) with differences of what they are the derivatives of. Returns the `verdict`, `:right`,
`:wrong` or `:open`, and a `text` for people. Choose a point in general position: at an optimum or at zero a mistake may not show.
"""
function check_derivatives(problem::Problem{T}, u, w; tolerance = ABI.BLO_DEFAULT, seed = 0) where {T}
    at_u, at_w, verdict, needed = input("u", u, T), input("w", w, T), Ref{Int32}(0), Ref{Csize_t}(0)
    text = Vector{UInt8}(undef, 4096)
    write(room) = call() do
        ABI.blo_check_derivatives(T, problem, at_u, length(at_u), at_w, length(at_w), tolerance, seed, verdict, room, length(room), needed)
    end
    write(text)
    needed[] > length(text) && write(resize!(text, needed[]))
    return (verdict = symbol("BLO_VERDICT_", verdict[]), text = String(text[1:needed[]-1]))
end

"""
    equilibrium_residuals(problem, u, w, options = nothing, estimator = nothing; start = nothing)

How far (u, w) is from an equilibrium of a loop: `fixpoint` = |Ξ − w| with Ξ the inner solution at u, from `start` (cold) or from w (warm),
and `outer` = |dF/du|. Both are 0 at an equilibrium.
"""
function equilibrium_residuals(problem::Problem{T}, u, w, options = nothing, estimator = nothing; start = nothing) where {T}
    at_u, at_w, run, solve = input("u", u, T), input("w", w, T), settings(options), how(estimator)
    begins = start === nothing ? C_NULL : input("start", start, T, problem.n_inner)
    fixpoint, outer = Ref(NaN), Ref(NaN)
    call() do
        ABI.blo_equilibrium_residuals(T, problem, run, solve, begins, at_u, length(at_u), at_w, length(at_w), fixpoint, outer)
    end
    return (fixpoint = fixpoint[], outer = outer[])
end

"""
    retraining_gap(problem, u, w, options = nothing; start)

What u is worth without the w that it was learned with: `run_loss` = F(u, w), and `retrained_loss` = F(u, w′) with w′ = `retrained`
anew from `start`.
"""
function retraining_gap(problem::Problem{T}, u, w, options = nothing; start) where {T}
    at_u, at_w, run = input("u", u, T), input("w", w, T), settings(options)
    begins, again = input("start", start, T, problem.n_inner), Vector{T}(undef, problem.n_inner)
    before, after = Ref(NaN), Ref(NaN)
    call() do
        ABI.blo_retraining_gap(T, problem, run, begins, at_u, length(at_u), at_w, length(at_w), before, after, again)
    end
    return (run_loss = before[], retrained_loss = after[], retrained = again)
end

"""
    spectrum(problem, u, w, estimator = nothing)

The `eigenvalues` of H at (u, w), ascending, with the `shares` |vᵀb|/|b| of b = ∂F/∂w along each eigenvector, and the `responses`
r(eigenvalue) of an estimator, NaN where that depends on b.
"""
function spectrum(problem::Problem{T}, u, w, estimator = nothing) where {T}
    at_u, at_w, options = input("u", u, T), input("w", w, T), how(estimator)
    eigenvalues, shares, responses = (Vector{Float64}(undef, problem.n_inner) for _ in 1:3)
    call() do
        ABI.blo_spectrum(T, problem, options, at_u, length(at_u), at_w, length(at_w), eigenvalues, shares, responses)
    end
    return (eigenvalues = eigenvalues, shares = shares, responses = responses)
end

"    project!(w, x, y)\n\nMoves w to the nearest point of {w : xᵀw = y}."
function project!(w::AbstractArray{T}, x, y) where {T}
    at, out = input("x", x, T, length(w)), output("w", w, T, length(w))
    call(() -> ABI.blo_project(T, length(w), at, y, out))
    return w
end
