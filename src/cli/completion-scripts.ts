/**
 * The scripts that make shells ask a program for what fits at the cursor. They know nothing of its commands, so a new
 * version of it needs no new script.
 * @param program the name the user types
 * @param askWord the program's command that answers
 */
export const completionScripts: Readonly<Record<string, (program: string, askWord: string) => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

/**
 * bash breaks words at `@`, `:` and `=` when it completes, and replaces only what stands behind the last of these: the
 * line is read again in whole words, and the answers lose what bash keeps (an `@` it replaces as well).
 */
function bashScript(program: string, askWord: string): string {
  const name = functionName(program);
  return `# Completes ${program} in bash. In ~/.bashrc: source <(${program} completion bash)
${name}() {
  local line="\${COMP_LINE:0:COMP_POINT}" current="" kept="" kind answer
  local -a words answers
  read -r -a words <<< "$line"
  case "$line" in
    *[[:space:]]) ;;
    *) current="\${words[-1]}"; unset 'words[-1]' ;;
  esac
  mapfile -t answers < <("\${words[0]}" ${askWord} -- "\${words[@]:1}" "$current" 2>/dev/null)
  kind="\${answers[0]}"
  kept="\${current%"\${current##*["$COMP_WORDBREAKS"]}"}"
  kept="\${kept%@}"
  COMPREPLY=()
  for answer in "\${answers[@]:1}"; do
    answer="\${answer%%$'\\t'*}"
    printf -v answer '%q' "\${answer#"$kept"}"
    COMPREPLY+=("$answer")
  done
  if [ "$kind" = files ]; then
    compopt -o filenames
    mapfile -t -O "\${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "\${current#"$kept"}")
  fi
}
complete -F ${name} ${program}
`;
}

function zshScript(program: string, askWord: string): string {
  const name = functionName(program);
  return `#compdef ${program}
# Completes ${program} in zsh. In ~/.zshrc, behind compinit: source <(${program} completion zsh)
${name}() {
  local -a before answers choices shown
  local answer
  (( CURRENT > 2 )) && before=("\${(@Q)words[2,CURRENT-1]}")
  answers=("\${(@f)$("\${(Q)words[1]}" ${askWord} -- "\${before[@]}" "\${(Q)PREFIX}" 2>/dev/null)}")
  for answer in "\${answers[@]:1}"; do
    choices+=("\${answer%%$'\\t'*}")
    shown+=("\${answer/$'\\t'/ -- }")
  done
  (( $#choices )) && compadd -l -d shown -a choices
  [[ "\${answers[1]}" == files ]] && _files
  (( compstate[nmatches] ))
}
compdef ${name} ${program}
`;
}

function fishScript(program: string, askWord: string): string {
  const name = functionName(program);
  return `# Completes ${program} in fish. In ~/.config/fish/config.fish: ${program} completion fish | source
function ${name}
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l answers (command $words[1] ${askWord} -- $words[2..-1] "$current" 2>/dev/null)
    test "$answers[1]" = files; and __fish_complete_path "$current"
    set -q answers[2]; and printf '%s\\n' $answers[2..-1]
end
complete -c ${program} -f -a '(${name})'
`;
}

function functionName(program: string): string {
  return `_${program.replaceAll("-", "_")}_complete`;
}
