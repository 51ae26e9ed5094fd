# The verbs of this repository on Windows, the same as build.sh has. Without a verb: what there is.
. ([IO.Path]::Combine($PSScriptRoot, 'build', 'lib.ps1'))

$verb = 'help'
if ($args.Count -gt 0) { $verb = $args[0] }
$options = @($args | Select-Object -Skip 1)
$node = [IO.Path]::Combine($root, 'src', 'Preconf.Node')
$library = [IO.Path]::Combine($root, 'src', 'Preconf.Native')
$benchmarks = [IO.Path]::Combine($root, 'tests', 'benchmarks')
$soak = [IO.Path]::Combine($root, 'tests', 'soak')
$packages = [IO.Path]::Combine($root, 'target', 'package')
$quiet = '-c', 'Release', '--nologo', '-v', 'quiet'

function Find-Native([string[]] $flags) {
    $global:LASTEXITCODE = 0
    & ([IO.Path]::Combine($root, 'build', 'native.ps1')) @flags
    if ($LASTEXITCODE -gt 0) { exit $LASTEXITCODE }
}

function Remove-Folder([string] $path) { if ([IO.Directory]::Exists($path)) { [IO.Directory]::Delete($path, $true) } }

function Build-All([string[]] $flags) {
    [void] (Find-Native $flags)
    Invoke-Dotnet (@('build', $solution) + $quiet)
}

function Test-All([string[]] $flags) {
    Build-All $flags
    $failed = 0
    $results = [IO.Path]::Combine($root, 'TestResults')
    Remove-Folder $results
    # One test program after the other: they open sockets and measure time.
    & dotnet test $solution -c Release --no-build --nologo -m:1 --logger 'console;verbosity=minimal' --logger trx --results-directory $results
    if ($LASTEXITCODE -ne 0) { $failed = 1 }
    if (Test-Crates) {
        try { Invoke-Cargo test @('--workspace', '--all-features', '--locked', '--quiet', '--no-fail-fast') } catch { Say "$_"; $failed = 1 }
    }
    elseif ($env:CI -eq 'true' -and $env:CARGO_LOCAL_REGISTRY -and (Find-Program cargo)) {
        Say "Rust tests FAILED: the crates of Cargo.lock are not all in $env:CARGO_LOCAL_REGISTRY"
        $failed = 1
    }
    elseif (Find-Program cargo) {
        Say "Rust tests not run: cargo can't reach the crates (crates.io, or a local registry named by CARGO_LOCAL_REGISTRY)"
    }
    else { Say 'Rust tests not run: cargo is not installed (https://rustup.rs)' }
    exit $failed
}

function Format-All([string[]] $flags) {
    $rust = @()
    $net = @()
    if ($flags.Count -gt 0) {
        if ($flags[0] -ne '--check') { Stop-Build "format: unknown option $($flags[0])" }
        $rust = @('--check')
        $net = @('--verify-no-changes')
    }
    $failed = 0
    if (Find-Program cargo) {
        Push-Location $root
        try { & cargo fmt --all $rust } finally { Pop-Location }
        if ($LASTEXITCODE -ne 0) { $failed = 1 }
    }
    else { Say 'Rust sources not formatted: cargo is not installed' }
    & dotnet format $solution $net
    if ($LASTEXITCODE -ne 0) { $failed = 1 }
    exit $failed
}

function Clear-All {
    foreach ($name in 'target', 'TestResults', 'BenchmarkDotNet.Artifacts') { Remove-Folder ([IO.Path]::Combine($root, $name)) }
    foreach ($group in 'src', 'tests', 'build') {
        foreach ($project in [IO.Directory]::GetDirectories([IO.Path]::Combine($root, $group))) {
            foreach ($name in 'bin', 'obj') { Remove-Folder ([IO.Path]::Combine($project, $name)) }
        }
    }
}

function Show-Help {
    'usage: .\build.ps1 VERB [options]'
    foreach ($file in [IO.Directory]::GetFiles([IO.Path]::Combine($root, 'build', 'verbs'), '*.sh')) { '  ' + [IO.File]::ReadAllLines($file)[1].Substring(2) }
}

switch ($verb) {
    'native' { Find-Native $options }
    'build' { Build-All $options }
    'test' { Test-All $options }
    'run' {
        Invoke-Dotnet (@('build', $node) + $quiet)
        Invoke-Dotnet (@([IO.Path]::Combine($node, 'bin', 'Release', 'net10.0', 'preconf-node.dll'), 'demo') + $options)
    }
    'bench' {
        Invoke-Dotnet (@('build', $benchmarks) + $quiet)
        Invoke-Dotnet (@('run', '--project', $benchmarks, '-c', 'Release', '--no-build', '--') + $options)
    }
    'soak' {
        Invoke-Dotnet (@('build', $soak) + $quiet)
        Invoke-Dotnet (@('run', '--project', $soak, '-c', 'Release', '--no-build', '--') + $options)
    }
    'pack' {
        Remove-Folder $packages
        Invoke-Dotnet (@('pack', $library, '-o', $packages) + $quiet)
        [IO.Directory]::GetFiles($packages, '*.nupkg')
    }
    'format' { Format-All $options }
    'clean' { Clear-All }
    { $_ -in 'help', '-h', '--help' } { Show-Help }
    default {
        Say "error: no verb '$verb'; .\build.ps1 help lists them"
        exit 2
    }
}
