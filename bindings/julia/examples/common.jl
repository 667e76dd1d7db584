# What the examples share: numbers to the last bit, as C's %a, and the table of the C examples.
import Blo
using Printf

exact(name, x) = println(name, join(" " * @sprintf("%a", number) for number in x))

# A table of numbers with the label in the last column, standardised, with a one at the end of each example; odd rows are
# validation. Examples are columns.
function read_table(path)
    rows = [parse.(Float64, split(line, ',')) for line in readlines(path)[2:end]]
    table = hcat(rows...)
    last = size(table, 1)
    for j in 1:last-1
        # One after the other, as in C: `sum` adds in pairs.
        mean = foldl(+, table[j, :]) / length(rows)
        square = foldl(+, (table[j, :] .- mean) .* (table[j, :] .- mean))
        table[j, :] = (table[j, :] .- mean) ./ sqrt(square / length(rows))
    end
    targets = table[last, :]
    table[last, :] .= 1
    return Blo.Examples(table[:, 1:2:end], targets[1:2:end]), Blo.Examples(table[:, 2:2:end], targets[2:2:end])
end
