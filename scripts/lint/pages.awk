# Prose wraps at 100 columns; tables, code and lines with a link may be longer, and so may pages that
# a program writes.
FNR == 1 { fenced = written = 0 }
/Written by `\.\/dev docs`/ { written = 1 }
/^ *```/ { fenced = !fenced; next }
# In mawk length() counts bytes: count what is left without the tails of UTF-8 characters.
!fenced && !written && length($0) > 100 && $0 !~ /^ *\|/ && $0 !~ /\]\(|https?:/ {
    text = $0
    gsub(/[\200-\277]/, "", text)
    if (length(text) > 100) printf "%s:%d: [wrap] a line of %d columns, 100 at most\n", FILENAME, FNR, length(text)
}
