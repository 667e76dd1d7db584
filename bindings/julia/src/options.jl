# Options with their defaults, as immutable structs of the library; and what comes back.

const EstimatorOptions = ABI.blo_estimator_options
const RunOptions = ABI.blo_run_options
const RegressionOptions = ABI.blo_regression_options
const NetworkOptions = ABI.blo_network_options
const Rule = ABI.blo_rule
const Report = ABI.blo_report
const Outcome = ABI.blo_outcome
const TraceRow = ABI.blo_trace_row

"""
    with(options; fields...)

The same options with other fields. A field that is one of several constants takes a symbol: `:cg` for `BLO_ESTIMATOR_CG`.
"""
function with(options::O; fields...) where {O}
    known = filter(name -> name != :struct_size && !startswith(String(name), "reserved"), fieldnames(O))
    for name in keys(fields)
        name in known || throw(ArgumentError("$name: no field of $(nameof(O)), which has " * join(known, ", ")))
    end
    return O((haskey(fields, name) ? field(O, name, fields[name]) : getfield(options, name) for name in fieldnames(O))...)
end

field(::Type{O}, name, value) where {O} = convert(fieldtype(O, name), value)
function field(::Type{O}, name, value::Symbol) where {O}
    prefix = get(ABI.CHOICES, (nameof(O), name), nothing)
    prefix === nothing && throw(ArgumentError("$name: found :$value, expected a $(fieldtype(O, name))"))
    return convert(fieldtype(O, name), choice(prefix, value))
end

# :cg of BLO_ESTIMATOR_ is BLO_ESTIMATOR_CG.
function choice(prefix, value::Symbol)
    name = prefix * uppercase(String(value))
    for (known, number) in ABI.CONSTANTS
        known == name && return number
    end
    known = [":" * lowercase(known[length(prefix)+1:end]) for (known, _) in ABI.CONSTANTS if startswith(known, prefix)]
    throw(ArgumentError("found :$value, expected one of " * join(known, ", ")))
end

# The other way.
function symbol(prefix, value)
    name = constant(prefix, value)
    return name === nothing ? nothing : Symbol(lowercase(name[length(prefix)+1:end]))
end

function initial(::Type{O}, init) where {O}
    options = Ref{O}()
    call(() -> init(options, sizeof(O)))
    return options[]
end

"""
    estimator(kind = :min_norm; fields...)

How a hypergradient is approximated: dF/du = ∂F/∂u − Mᵀq, where q approximates H⁻¹ ∂F/∂w.

- `kind`: `:min_norm`, `:damped`, `:neumann`, `:neumann_filter`, `:cg`, `:identity`, `:zero`, `:unrolled`, `:cg_twice`, `:minres`,
  `:nystrom`, `:gmres`; each with its formula in the help of `Blo.ABI.BLO_ESTIMATOR_NEUMANN` and so on, which names its fields
- `fields`: those of `Blo.ABI.blo_estimator_options`

```julia
Blo.estimator(:neumann; terms = 10, alpha = 0.1)
Blo.estimator(:cg; iterations = 20, tolerance = 1e-10)
Blo.estimator(:unrolled; steps = 100, rule = Blo.rule(:descent; step = 0.1))
```
"""
function estimator(kind = :min_norm; fields...)
    return with(initial(EstimatorOptions, ABI.blo_estimator_options_init); kind = kind, fields...)
end

"""
    rule(kind = :descent; fields...)

How a point is moved along a gradient: `:descent`, `:momentum` or `:adam`, with the fields of `Blo.ABI.blo_rule`.
"""
rule(kind = :descent; fields...) = with(initial(Rule, (options, _) -> ABI.blo_rule_init(options)); kind = kind, fields...)

"""
    run_options(; fields...)

What a run does, with the fields of `Blo.ABI.blo_run_options`: `start = :warm`, `inner = :optimizer`, `inner_steps = 10`,
`inner_rule = Blo.rule(:descent; step = 0.1)`, `outer_steps = 100`, ...
"""
run_options(; fields...) = with(initial(RunOptions, ABI.blo_run_options_init); fields...)

"""
    report()

A `Ref` of a report, for the argument `report` of calls that solve: `report[].products`, `report[].residual`, `ending(report[])`.
"""
report() = Ref(sized(Report))

# A struct of the library with these fields and its size; all others are zero, also those of a later header.
sized(::Type{O}; fields...) where {O} = with(O(sizeof(O), (nothing_in(fieldtype(O, i)) for i in 2:fieldcount(O))...); fields...)

nothing_in(::Type{F}) where {F} = zero(F)
nothing_in(::Type{F}) where {F<:Ptr} = F(C_NULL)

"""
    ending(report)
    ending(outcome)

How a solve or a run ended: the name of one of `BLO_ENDING_` or `BLO_RUN_`, such as `:converged`.
"""
ending(from::Union{Report,Outcome}) = symbol(ABI.CHOICES[(nameof(typeof(from)), :ending)], from.ending)
