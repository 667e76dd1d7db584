# Symmetric positive semidefinite H of this rank, with its eigenvalues and eigenvectors.
function semidefinite(rng, n, rank; condition = 30.0)
    vectors = Matrix(qr(randn(rng, n, n)).Q)
    values = [i <= rank ? 2.0 * condition^(-(i - 1) / max(rank - 1, 1)) : 0.0 for i in 1:n]
    H = vectors * Diagonal(values) * vectors'
    return (H + H') / 2, values, vectors
end

# r(H) b by the eigendecomposition.
filtered(r, values, vectors, b) = vectors * (r.(values) .* (vectors' * b))

# f = wᵀA w/2 + wᵀB u + dᵀw and F = wᵀP w/2 + cᵀw as functions, in plain Julia.
function plain(A::Matrix{T}, B, P, d, c) where {T}
    return Blo.callbacks(T, size(B, 2), size(B, 1);
        inner = (g, u, w) -> (g .= A * w .+ B * u .+ d; dot(w, A * w) / 2 + dot(w, B * u) + dot(d, w)),
        outer = (gu, gw, u, w) -> (gw .= P * w .+ c; dot(w, P * w) / 2 + dot(c, w)),
        hvp = (out, u, w, v) -> mul!(out, A, v),
        mixed_vjp = (out, u, w, v) -> mul!(out, transpose(B), v),
        mixed_jvp = (out, u, w, du) -> mul!(out, B, du))
end

# The exception that a call throws.
function thrown(call)
    try
        call()
    catch error
        return error
    end
    return nothing
end
