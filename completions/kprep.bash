# Completion of kprep(1) for bash.
# Written by scripts/docs from the tables of the program; change those.
_kprep() {
    local word=${COMP_WORDS[COMP_CWORD]} before='' command='' words='' files='' i
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        [[ ${COMP_WORDS[i]} == -* ]] || { command=${COMP_WORDS[i]}; break; }
    done
    ((COMP_CWORD < 2)) || before=${COMP_WORDS[COMP_CWORD - 1]}
    if [[ $word == = ]]; then # --name=, which bash splits
        word=''
    elif [[ $before == = ]]; then
        before=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    case $before in
    --pipeline) words='expand_dims squeeze transpose reshape flatten moveaxis rearrange select crop center_crop pad flip rotate90 resize grayscale rgb bgr alpha cast rescale normalize clip reduce one_hot' ;;
    --like) words='keras pillow opencv' ;;
    --samples) words='auto file row' ;;
    --join) words='samples channels' ;;
    --by) words='file folder' ;;
    --order) words='natural bytes list keras' ;;
    --axes) return ;;
    --depth) words='keep 8' ;;
    --exif) words='apply ignore' ;;
    --labels) words='folder' files=-f ;;
    --sample) return ;;
    --batch) words='all' ;;
    --shuffle) return ;;
    --split) return ;;
    --on-error) words='fail skip quarantine' ;;
    --max-bad) return ;;
    --set) return ;;
    --shard) words='auto' ;;
    --format) words='text json sarif junit' ;;
    --fail-on) words='error warning note never' ;;
    --baseline) return ;;
    --write-baseline) return ;;
    --preview) words='auto always never blocks kitty sixel' ;;
    --threads) return ;;
    --color) words='auto always never' ;;
    --progress) words='auto always never json' ;;
    --output) files=-d ;;
    --spec | --files-from | --files0-from | --data) files=-f ;;
    *)
        if [[ -z $command ]]; then
            words='run check plan spec inspect stats verify report merge lint diff explain stages help --help --version --json'
        elif [[ $word == -* ]]; then
            case $command in
            run) words='--pipeline --spec --like --samples --join --by --order --axes --depth --exif --labels --files-from --files0-from --output --batch --shuffle --split --on-error --max-bad --set --paranoid --retry --shard --force --dry-run --threads --json --quiet --color --progress --help --version' ;;
            check) words='--pipeline --spec --like --samples --join --by --order --axes --depth --exif --labels --files-from --files0-from --sample --set --threads --json --quiet --color --progress --help --version' ;;
            plan) words='--pipeline --spec --like --samples --join --by --order --axes --depth --exif --labels --files-from --files0-from --set --threads --json --quiet --color --progress --help --version' ;;
            spec) words='--layers --data --threads --json --quiet --color --progress --help --version' ;;
            inspect) words='--pipeline --spec --like --samples --join --by --order --axes --depth --exif --labels --files-from --files0-from --set --preview --threads --json --quiet --color --progress --help --version' ;;
            stats) words='--pipeline --spec --like --samples --join --by --order --axes --depth --exif --labels --files-from --files0-from --set --threads --json --quiet --color --progress --help --version' ;;
            verify) words='--threads --json --quiet --color --progress --help --version' ;;
            report) words='--pipeline --spec --like --samples --join --by --order --axes --depth --exif --labels --files-from --files0-from --sample --output --set --threads --json --quiet --color --progress --help --version' ;;
            merge) words='--threads --json --quiet --color --progress --help --version' ;;
            lint) words='--pipeline --spec --like --samples --join --by --order --axes --depth --exif --labels --files-from --files0-from --set --deep --format --fail-on --baseline --write-baseline --threads --json --quiet --color --progress --help --version' ;;
            diff) words='--threads --json --quiet --color --progress --help --version' ;;
            explain) words='--threads --json --quiet --color --progress --help --version' ;;
            stages) words='--threads --json --quiet --color --progress --help --version' ;;
            help) words='--threads --json --quiet --color --progress --help --version' ;;
            esac
        else
            case $command in
            stages) words='expand_dims squeeze transpose reshape flatten moveaxis rearrange select crop center_crop pad flip rotate90 resize grayscale rgb bgr alpha cast rescale normalize clip reduce one_hot' ;;
            help) words='run check plan spec inspect stats verify report merge lint diff explain stages help' ;;
            *) files=-f ;;
            esac
        fi
        ;;
    esac
    [[ -z $words ]] || mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
    if [[ -n $files ]]; then
        local -a found
        mapfile -t found < <(compgen "$files" -- "$word")
        COMPREPLY+=("${found[@]}")
        compopt -o filenames 2>/dev/null || true
    fi
}
complete -F _kprep kprep
