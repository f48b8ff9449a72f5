# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# bash completion for remusctl(8)

_remusctl_command() {
    local word
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case $word in
        protect | unprotect | list | status | events | failover | export | forget | version)
            echo "$word"
            return
            ;;
        esac
    done
}

_remusctl_vms() {
    remusctl --timeout 2 list 2>/dev/null | awk 'NR > 1 { print $1 }'
}

_remusctl() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local command words="--socket --backup --json --timeout --help --usage --version"
    COMPREPLY=()

    case $previous in
    --socket)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
        ;;
    --hold)
        mapfile -t COMPREPLY < <(compgen -W "backup primary none" -- "$current")
        return
        ;;
    --suspend)
        mapfile -t COMPREPLY < <(compgen -W "auto cooperative driver" -- "$current")
        return
        ;;
    --to)
        mapfile -t COMPREPLY < <(compgen -A hostname -- "$current")
        return
        ;;
    --timeout | --epoch)
        return
        ;;
    esac

    command=$(_remusctl_command)
    case $command in
    "") words+=" protect unprotect list status events failover export forget version" ;;
    protect) words+=" --to --epoch --hold --suspend --unsafe --wait" ;;
    unprotect | failover) words+=" --force $(_remusctl_vms)" ;;
    status) words+=" --watch $(_remusctl_vms)" ;;
    export)
        words+=" --force $(_remusctl_vms)"
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current"; compgen -f -- "$current")
        return
        ;;
    forget) words+=" $(_remusctl_vms)" ;;
    events) words+=" --follow" ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -F _remusctl remusctl
