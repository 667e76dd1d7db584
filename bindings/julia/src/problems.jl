"""
A bilevel problem with `n_outer` elements in u, `n_inner` in w, and `n_examples` inner examples (0 where f is no sum over them).
Made by [`quadratic`](@ref), [`regression`](@ref), [`network`](@ref), [`callbacks`](@ref). Immutable; may be shared by tasks.
"""
mutable struct Problem{T} <: Handle{T}
    pointer::Ptr{ABI.blo_problem{T}}
    n_outer::Int
    n_inner::Int
    n_examples::Int
    widths::Vector{Int64} # of a network, else empty
    functions::Any        # the callbacks: what the library calls has to live as long as what was made from the problem
    function Problem{T}(create; widths = Int64[], functions = nothing) where {T}
        precise(T)
        pointer = created(create, ABI.blo_problem{T})
        problem = finalizer(close, new{T}(pointer, 0, 0, 0, widths, functions))
        m, n, examples = Ref(0), Ref(0), Ref(0)
        call(() -> ABI.blo_problem_sizes(T, problem, m, n, examples))
        problem.n_outer, problem.n_inner, problem.n_examples = m[], n[], examples[]
        return problem
    end
end

destroy(::Problem{T}, place) where {T} = ABI.blo_problem_destroy(T, place)

Base.show(io::IO, p::Problem) =
    print(io, typeof(p), "(n_outer = ", p.n_outer, ", n_inner = ", p.n_inner, isopen(p) ? ")" : ", closed)")

"""
    quadratic(A, B, P; C, d, e, f, constant = 0, outer_constant = 0)

f(u, w) = wᵀA w/2 + wᵀB u + uᵀC u/2 + dᵀw + eᵀu + constant and F(u, w) = wᵀP w/2 + fᵀw + outer_constant. A and P (n × n) and
C (m × m) are symmetric, A and P positive semidefinite; B is n × m. What is left out is zero. The matrices are copied twice, once
to turn them to rows.
"""
function quadratic(A::AbstractMatrix{T}, B::AbstractMatrix, P::AbstractMatrix; C = nothing, d = nothing, e = nothing, f = nothing,
    constant = 0, outer_constant = 0) where {T}
    n, m = size(B)
    rows(name, x, n, m) = begin
        size(x) == (n, m) || throw(Error(ABI.BLO_ERR_SHAPE, "$name: found $(size(x)), expected ($n, $m)"))
        eltype(x) === T || elements(name, x, T)
        convert(Matrix{T}, permutedims(x))
    end
    optional_rows(name, x, n, m) = x === nothing ? T[] : rows(name, x, n, m)
    vector(name, x, n) = x === nothing ? T[] : input(name, x, T, n)
    a, b, p = rows("A", A, n, n), rows("B", B, n, m), rows("P", P, n, n)
    c = optional_rows("C", C, m, m)
    inner_d, inner_e, outer_f = vector("d", d, n), vector("e", e, m), vector("f", f, n)
    return GC.@preserve a b c p inner_d inner_e outer_f begin
        at(x) = isempty(x) ? Ptr{T}(C_NULL) : pointer(x)
        terms = sized(ABI.blo_quadratics{T}; n_outer = m, n_inner = n, a = at(a), b = at(b), c = at(c), d = at(inner_d),
            e = at(inner_e), p = at(p), f = at(outer_f), constant = constant, outer_constant = outer_constant)
        Problem{T}(place -> ABI.blo_problem_create_quadratic(T, Ref(terms), place))
    end
end

"""
    Examples(design, targets)
    Examples{T}(design, targets; rows, features)

Examples as columns: `design` (features × rows), and `targets` (outputs × rows), or a vector for one output. A bias is a row of
ones. Either may be `nothing` where it is made from u; what it would have told is then to be given. Views of columns are seen
without a copy.
"""
struct Examples{T}
    design::Union{Nothing,AbstractMatrix{T}}
    targets::Union{Nothing,AbstractVecOrMat{T}}
    rows::Int
    features::Int
    function Examples{T}(design, targets; rows = nothing, features = nothing) where {T}
        for (name, x) in (("design", design), ("targets", targets))
            x === nothing || eltype(x) === T || elements(name, x, T)
        end
        found = filter(n -> n !== nothing, [rows, design === nothing ? nothing : size(design, 2), count_targets(targets)])
        isempty(found) && throw(Error(ABI.BLO_ERR_SHAPE, "rows: to be given without design and targets"))
        all(==(found[1]), found) || throw(Error(ABI.BLO_ERR_SHAPE, "rows, design, targets: found $(join(found, ", ")) examples"))
        wide = design === nothing ? features : size(design, 1)
        wide === nothing && throw(Error(ABI.BLO_ERR_SHAPE, "features: to be given without design"))
        features === nothing || features == wide ||
            throw(Error(ABI.BLO_ERR_SHAPE, "design: found $wide features, expected $features"))
        return new{T}(design, targets, found[1], wide)
    end
end

Examples(design::AbstractMatrix{T}, targets) where {T} = Examples{T}(design, targets)

count_targets(::Nothing) = nothing
count_targets(x::AbstractVector) = length(x)
count_targets(x::AbstractMatrix) = size(x, 2)

# Calls make with the struct of the library while its arrays are there. Targets are of so many outputs.
function lend(make, name, from::Examples{T}, outputs) where {T}
    outputs_found = from.targets isa AbstractMatrix ? size(from.targets, 1) : 1
    from.targets === nothing || outputs_found == outputs ||
        throw(Error(ABI.BLO_ERR_SHAPE, "$name.targets: found $outputs_found outputs, expected $outputs"))
    design, design_stride = columns("design", from.design, T)
    targets, targets_stride = columns("targets", from.targets, T)
    return GC.@preserve design targets begin
        at(x) = x === nothing ? Ptr{T}(C_NULL) : pointer(x)
        make(Ref(sized(ABI.blo_examples{T}; rows = from.rows, features = from.features, design = at(design),
            design_stride = design_stride, targets = at(targets), targets_stride = targets_stride)))
    end
end

"""
    regression(inner, outer; fields...)

A linear regression, with loss l of the logits z = W φ: f(u, w) = s Σᵢ aᵢ l(zᵢ, tᵢ) + Σⱼ cⱼ wⱼ²/2, s = 1 or 1/n, and
F(w) = 1/N Σᵢ l(zᵢ, tᵢ) over the outer examples, both [`Examples`](@ref). The fields, of `Blo.ABI.blo_regression_options`, say
which of t, c and a is u: `loss = :logistic`, `outer = :log_l2`, `group = :feature`, ...
"""
function regression(inner::Examples{T}, outer::Examples{T}; fields...) where {T}
    options = with(initial(RegressionOptions, ABI.blo_regression_options_init); fields...)
    outputs = options.loss == ABI.BLO_LOSS_SOFTMAX ? Int(options.classes) : 1
    return lend("inner", inner, outputs) do inner
        lend("outer", outer, outputs) do outer
            Problem{T}(place -> ABI.blo_problem_create_regression(T, inner, outer, Ref(options), place))
        end
    end
end

"""
    network(widths, inner, outer; fields...)

A multilayer perceptron of these widths, from inputs to outputs: f(u, w) = Σᵢ ωᵢ l(net(xᵢ; w), tᵢ) + l2 |w|²/2 (+ what u adds) and
F(w) = 1/N Σᵢ l(net(xᵢ; w), tᵢ) over the outer examples. w = [W₁, b₁, W₂, b₂, ...], each W by its rows: in Julia
`reshape(w[1:k*d], d, k)` is W₁ᵀ. The fields are those of `Blo.ABI.blo_network_options`: `activation = :tanh`,
`outer = :inputs`, ...
"""
function network(widths, inner::Examples{T}, outer::Examples{T}; fields...) where {T}
    options = with(initial(NetworkOptions, ABI.blo_network_options_init); fields...)
    sizes = collect(Int64, widths)
    outputs = isempty(sizes) ? 1 : sizes[end]
    return lend("inner", inner, outputs) do inner
        lend("outer", outer, outputs) do outer
            Problem{T}(; widths = sizes) do place
                ABI.blo_problem_create_network(T, length(sizes), sizes, inner, outer, Ref(options), place)
            end
        end
    end
end

"""
    network_initial(problem, init = :glorot; seed = 0)

Initial parameters of a network: normal numbers by `:glorot`, `:he` or `:lecun`, or `:zero`.
"""
function network_initial(problem::Problem{T}, init::Symbol = :glorot; seed = 0) where {T}
    w = Vector{T}(undef, problem.n_inner)
    call(() -> ABI.blo_network_initial(T, problem, choice("BLO_INIT_", init), seed, w, length(w)))
    return w
end

"""
    network_predict(problem, w, x)

The outputs (c × rows) of a network for examples x (d × rows), before any softmax.
"""
function network_predict(problem::Problem{T}, w, x::AbstractMatrix) where {T}
    isempty(problem.widths) && throw(Error(ABI.BLO_ERR_UNSUPPORTED, "problem: found no network, expected one"))
    size(x, 1) == problem.widths[1] ||
        throw(Error(ABI.BLO_ERR_SHAPE, "x: found $(size(x, 1)) features, expected $(problem.widths[1])"))
    at, (design, stride) = input("w", w, T), columns("x", x, T)
    out = Matrix{T}(undef, problem.widths[end], size(x, 2))
    call(() -> ABI.blo_network_predict(T, problem, at, length(at), design, size(x, 2), stride, out))
    return out
end
