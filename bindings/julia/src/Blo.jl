"""
Gradient-based bilevel optimization: hypergradients, responses, cold and warm starts, by the library blo.

min over u of F(u, w*(u)), with w*(u) in argmin over w of f(u, w). `T` is `Float64` or `Float32`, the elements of all arrays.

- [`Problem`](@ref): what is solved; made by [`quadratic`](@ref), [`regression`](@ref), [`network`](@ref), [`callbacks`](@ref)
- [`Workspace`](@ref): objectives, products, hypergradients, responses and influence at points of the caller's
- [`Runner`](@ref): a whole cold- or warm-start loop, or a step of it at a time
- [`Optimizer`](@ref), [`Solver`](@ref), [`Session`](@ref): a first-order rule, and solves of H q = b, alone
- [`estimator`](@ref), [`rule`](@ref), [`run_options`](@ref): how

`Blo.ABI` has the C functions under their own names; its help is the manual of `blo.h`. A failed call throws [`Error`](@ref).

Vectors come in as they are if their elements are next to each other in memory, and are copied otherwise; what is written to
(functions with `!`) has to be contiguous. Elements of another type are an error: nothing is converted in silence. Examples are
columns: a `(d, n)` matrix is the n examples of `blo.h`, whose rows are contiguous, without a copy.

A handle ends when it is collected, or with `close`: do that where problems are large, since Julia does not see their memory.
Problems may be shared by tasks and threads; of the other handles one call at a time may use each.
"""
module Blo

import Libdl

include("abi.jl")
include("library.jl")
include("calls.jl")
include("arrays.jl")
include("options.jl")
include("problems.jl")
include("callbacks.jl")
include("workspaces.jl")
include("runners.jl")
include("solvers.jl")
include("analysis.jl")

function __init__()
    fill!(ABI.addresses, @cfunction(absent, Cvoid, ()))
    attach()
end

# Nothing is exported, since the names are short; current Julia is told which are for users.
if VERSION >= v"1.11"
    eval(Meta.parse("""public ABI, Error, Problem, Workspace, Runner, Optimizer, Solver, Session, Examples, Report, Outcome,
    TraceRow, quadratic, regression, network, callbacks, network_initial, network_predict, estimator, rule, run_options, with,
    report, ending, hypergradient, hypergradient!, inner, outer, fixpoint!, linearize, hvp, mixed_vjp, mixed_jvp, response_jvp,
    response_vjp, best_response, influence, reserve, run!, step!, state, best, save, resume, restart!, solve, solve!, start!,
    check_derivatives, equilibrium_residuals, retraining_gap, spectrum, project!"""))
end

end
