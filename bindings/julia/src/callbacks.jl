# Problems of the caller's own functions.

# What user_data points to; lives as long as the problem.
mutable struct Functions{T,I,O,H,V,J}
    inner::I
    outer::O
    hvp::H
    mixed_vjp::V
    mixed_jvp::J
end

# Arrays of the library, for as long as a callback runs.
array(from::Ptr, n) = unsafe_wrap(Array, from, n)

function inner_callback(m::Int64, n::Int64, u::Ptr{T}, w::Ptr{T}, value::Ptr{Float64}, gradient::Ptr{T}, own::Functions{T}) where {T}
    return guarded() do
        unsafe_store!(value, own.inner(array(gradient, n), array(u, m), array(w, n)))
        Int32(0)
    end
end

function outer_callback(m::Int64, n::Int64, u::Ptr{T}, w::Ptr{T}, value::Ptr{Float64}, gradient_u::Ptr{T}, gradient_w::Ptr{T},
    own::Functions{T}) where {T}
    return guarded() do
        unsafe_store!(value, own.outer(array(gradient_u, m), array(gradient_w, n), array(u, m), array(w, n)))
        Int32(0)
    end
end

# from and to are the lengths of v and out.
function product(f::F, to, out::Ptr{T}, m, u::Ptr{T}, n, w::Ptr{T}, from, v::Ptr{T}) where {F,T}
    return guarded() do
        f(array(out, to), array(u, m), array(w, n), array(v, from))
        Int32(0)
    end
end

hvp_callback(m::Int64, n::Int64, u::Ptr{T}, w::Ptr{T}, v::Ptr{T}, out::Ptr{T}, own::Functions{T}) where {T} =
    product(own.hvp, n, out, m, u, n, w, n, v)
mixed_vjp_callback(m::Int64, n::Int64, u::Ptr{T}, w::Ptr{T}, v::Ptr{T}, out::Ptr{T}, own::Functions{T}) where {T} =
    product(own.mixed_vjp, m, out, m, u, n, w, n, v)
mixed_jvp_callback(m::Int64, n::Int64, u::Ptr{T}, w::Ptr{T}, v::Ptr{T}, out::Ptr{T}, own::Functions{T}) where {T} =
    product(own.mixed_jvp, n, out, m, u, n, w, m, v)

# Plain functions with the type of user_data known, not closures, which not every platform can make pointers of.
function table(::Functions{T,I,O,H,V,J}) where {T,I,O,H,V,J}
    return sized(ABI.blo_callbacks{T};
        inner = ABI.@blo_inner_fn(T, Ref{Functions{T,I,O,H,V,J}}, inner_callback),
        outer = ABI.@blo_outer_fn(T, Ref{Functions{T,I,O,H,V,J}}, outer_callback),
        hvp = ABI.@blo_product_fn(T, Ref{Functions{T,I,O,H,V,J}}, hvp_callback),
        mixed_vjp = ABI.@blo_product_fn(T, Ref{Functions{T,I,O,H,V,J}}, mixed_vjp_callback),
        mixed_jvp = J === Nothing ? C_NULL : ABI.@blo_product_fn(T, Ref{Functions{T,I,O,H,V,J}}, mixed_jvp_callback))
end

"""
    callbacks(T, n_outer, n_inner; inner, outer, hvp, mixed_vjp, mixed_jvp = nothing)

A problem of the caller's functions, which write to their first arguments, as `mul!` does, all of an element type T. With
H = ∂²f/∂w∂wᵀ and M = ∂²f/∂w∂uᵀ:

- `inner(gradient, u, w)`: gradient = ∂f/∂w; returns f(u, w)
- `outer(gradient_u, gradient_w, u, w)`: the gradients of F; returns F(u, w)
- `hvp(out, u, w, v)`: out = H v
- `mixed_vjp(out, u, w, v)`: out = Mᵀ v
- `mixed_jvp(out, u, w, du)`: out = M du, for what differentiates forward

Outputs hold zeros on entry. The vectors are the library's: they may be kept by `copy` only, and u, w, v not be written to. A
function may call this package, but not with the handle whose call it serves. An exception that leaves it comes out of that call,
with where it came from below it in the stack of exceptions. It runs in the task of the call.
"""
function callbacks(::Type{T}, n_outer, n_inner; inner, outer, hvp, mixed_vjp, mixed_jvp = nothing) where {T}
    own = Functions{T,typeof(inner),typeof(outer),typeof(hvp),typeof(mixed_vjp),typeof(mixed_jvp)}(inner, outer, hvp, mixed_vjp, mixed_jvp)
    functions = Ref(table(own))
    return Problem{T}(; functions = own) do place
        ABI.blo_problem_create_callbacks(T, n_outer, n_inner, functions, pointer_from_objref(own), place)
    end
end
