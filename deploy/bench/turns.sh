# shellcheck shell=bash
# Sourced by benchmarks that measure two things in turn (A B A B A): what the second is beside the first, as a row of Markdown.

turns_compared() { # WHAT FIGURE...: median of A, median of B, B / A, and the spread of A against itself
    local what=$1
    shift
    printf '%s\n' "$@" | awk -v what="$what" '
        function median(values, n,   i, j, kept) {
            for (i = 2; i <= n; i++) for (j = i; j > 1 && values[j] < values[j - 1]; j--) {
                kept = values[j]; values[j] = values[j - 1]; values[j - 1] = kept
            }
            return n % 2 ? values[(n + 1) / 2] : (values[n / 2] + values[n / 2 + 1]) / 2
        }
        NR % 2 { first[++a] = $1 }
        !(NR % 2) { second[++b] = $1 }
        END {
            before = median(first, a); after = median(second, b)
            printf "| %s | %.1f | %.1f | %.3f | %.3f to %.3f |\n", what, before, after, after / before,
                first[1] / before, first[a] / before
        }'
}
