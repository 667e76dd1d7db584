# The rule by which automatic differentiation in reverse passes through the argmin map.
module BloChainRulesCoreExt

import Blo
import ChainRulesCore: rrule, AbstractZero, NoTangent, ProjectTo, ZeroTangent, unthunk

function rrule(::typeof(Blo.best_response), workspace::Blo.Workspace{T}, u, w, estimator = nothing; solve! = nothing) where {T}
    found = Blo.best_response(workspace, u, w, estimator; solve! = solve!)
    at, project = (copy(u), copy(found)), ProjectTo(u)
    function pullback(tangent)
        v = unthunk(tangent)
        v isa AbstractZero && return ntuple(_ -> NoTangent(), 2)..., v, NoTangent(), NoTangent()
        gradient = Blo.response_vjp(workspace, at..., convert(Vector{T}, v), estimator)
        return NoTangent(), NoTangent(), project(reshape(gradient, size(u))), ZeroTangent(), NoTangent()
    end
    return found, pullback
end

end
