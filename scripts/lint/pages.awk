# Prose wraps at 100 columns; tables, code and lines with a link may be longer.
FNR == 1 { fenced = 0 }
/^ *```/ { fenced = !fenced; next }
# In mawk length() counts bytes: count what is left without the tails of UTF-8 characters.
!fenced && length($0) > 100 && $0 !~ /^ *\|/ && $0 !~ /\]\(|https?:/ {
    text = $0
    gsub(/[\200-\277]/, "", text)
    if (length(text) > 100) printf "%s:%d: [wrap] a line of %d columns, 100 at most\n", FILENAME, FNR, length(text)
}
