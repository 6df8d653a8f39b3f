"""The shells' sides of the completion. None evaluates what it is answered."""

from __future__ import annotations

BASH = r"""# completion of netdoctor for bash
_netdoctor() {
    local line
    COMPREPLY=()
    while IFS= read -r line; do
        if [[ $line == $'\tfiles' ]]; then
            compopt -o default 2>/dev/null
        else
            COMPREPLY+=("$line")
        fi
    done < <(_NETDOCTOR_COMPLETE=bash "${1/#\~\//$HOME/}" \
        "${COMP_LINE:0:COMP_POINT}" "$COMP_WORDBREAKS" 2>/dev/null)
    if [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *[:/.=] ]]; then
        compopt -o nospace 2>/dev/null
    fi
}
complete -F _netdoctor netdoctor
"""

ZSH = r"""#compdef netdoctor
# completion of netdoctor for zsh
_netdoctor() {
    local line value shown gap
    local -a whole whole_shown open open_shown listed
    for line in "${(@f)$(_NETDOCTOR_COMPLETE=zsh ${~${(Q)words[1]}} \
        "${(Q@)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}"; do
        value=${line%%$'\t'*}
        shown=$value
        if [[ $line == *$'\t'?* ]]; then
            gap=$(( $#value < 20 ? 20 - $#value : 1 ))
            shown="$value${(l:gap:)}  ${line#*$'\t'}"
            listed=(-l)
        fi
        if [[ $line == $'\tfiles' ]]; then
            compset -P '--*='
            _files
        elif [[ $value == *[:/.=] ]]; then
            open+=("$value")
            open_shown+=("$shown")
        elif [[ -n $value ]]; then
            whole+=("$value")
            whole_shown+=("$shown")
        fi
    done
    if compset -P '\~/'; then  # which must stay outside of any quotes
        open=("${(@)open#\~/}")
        whole=("${(@)whole#\~/}")
    fi
    (( $#open )) && compadd -S '' $listed -d open_shown -a -- open
    (( $#whole )) && compadd $listed -d whole_shown -a -- whole
}
if [[ $funcstack[1] == _netdoctor ]]; then
    _netdoctor "$@"
else
    (( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
    compdef _netdoctor netdoctor
fi
"""

FISH = r"""# completion of netdoctor for fish
function __netdoctor_complete
    set -l words (commandline -opc)
    set -l program $words[1]
    set -e words[1]
    set -l typed (commandline -ct)
    for line in (env _NETDOCTOR_COMPLETE=fish $program $words "$typed" 2>/dev/null)
        if test "$line" = \t"files"
            set -l option (string match -r -- '^--[^=]*=' "$typed")
            set -l path (string replace -- "$option" '' "$typed")
            for found in (__fish_complete_path "$path")
                printf '%s%s\n' "$option" $found
            end
        else
            printf '%s\n' $line
        end
    end
end
complete -c netdoctor -f -a '(__netdoctor_complete)'
"""

SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}
