# Arrays as the library reads and writes them.

elements(name, x, T) = throw(Error(ABI.BLO_ERR_INVALID, "$name: found elements of $(eltype(x)), expected $T"))

contiguous(x::Array) = true
function contiguous(x::StridedArray)
    expected = 1
    for (size, stride) in zip(size(x), strides(x))
        size == 1 || stride == expected || return isempty(x)
        expected *= size
    end
    return true
end
contiguous(x) = false

"An array to be read: itself if it is contiguous, else a copy."
input(name, x::Array{T}, ::Type{T}) where {T} = x
input(name, x::AbstractArray{T}, ::Type{T}) where {T} = contiguous(x) ? x : collect(x)
input(name, x, ::Type{T}) where {T} = elements(name, x, T)

input(name, x, T, n) = (y = input(name, x, T); lengths(name, y, n); y)

"An array of n elements to be written."
function output(name, x::AbstractArray{T}, ::Type{T}, n) where {T}
    contiguous(x) || throw(Error(ABI.BLO_ERR_INVALID, "$name: found $(typeof(x)) with gaps, expected an array without"))
    lengths(name, x, n)
    return x
end
output(name, x, ::Type{T}, n) where {T} = elements(name, x, T)
output(name, ::Nothing, ::Type, n) = C_NULL

function lengths(name, x, n)
    length(x) == n || throw(Error(ABI.BLO_ERR_SHAPE, "$name: found length $(length(x)), expected length $n"))
end

# The columns of a matrix, as the rows of the library's: an array, and the elements from one to the next. A vector is a row.
function columns(name, x::AbstractArray{T}, ::Type{T}) where {T}
    if x isa StridedMatrix{T} && (size(x, 1) <= 1 || stride(x, 1) == 1) && stride(x, 2) >= size(x, 1)
        return x, stride(x, 2)
    elseif x isa StridedVector{T} && stride(x, 1) >= 1
        return x, stride(x, 1)
    end
    copy = collect(x)
    return copy, copy isa AbstractVector ? 1 : size(copy, 1)
end
columns(name, x, ::Type{T}) where {T} = elements(name, x, T)
columns(name, ::Nothing, ::Type) = nothing, 0
